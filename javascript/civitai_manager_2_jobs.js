// The jobs of the server, as this page knows them: one poller that never gives up. The work does not depend on it.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.jobs) { return; }

    const ACTIVE = 1000;
    const IDLE = 10000;
    const LONGEST = 15000;
    const PRESSING = 5000;      // the longest wait while something is known to run, or is kept in the outbox
    const HURRY = 6000;
    const GAP = 30000;          // a page that heard nothing for so long was away
    const SAMPLES = 100;

    const jobs = (cm.jobs = new Map());
    const state = {boot: "", first: "", seq: 0, revision: null, active: 0, failures: 0, timer: null, busy: false, again: false, hurry: 0,
        latencies: [], polls: 0, failed: 0, restarts: 0, since: Date.now()};
    // ``at``: when the server last answered; ``login``: it answers, but wants a login.
    cm.connection = {ok: true, text: "Connecting", at: 0, login: false};

    function connection(ok, text, login) {
        const changed = cm.connection.ok !== ok || cm.connection.text !== text;
        Object.assign(cm.connection, {ok: ok, text: text, login: Boolean(login)});
        if (changed) { cm.emit("connection", cm.connection); }
    }

    // -- what ended: told once. A page tells what it saw running; what ended while no page of this browser looked, the first page tells that comes.
    const NOTED = "announced:" + cm.base();
    let noted = null;           // {id: when it finished}, where the browser keeps nothing
    function ended(answer, known) {
        const before = cm.recall(NOTED, noted, true);
        const news = [];
        for (const job of answer.jobs) {
            const old = known.get(job.id);
            if (!job.finished || (old && old.finished === job.finished)) { continue; }
            if ((old && !old.finished) || (before && before[job.id] !== job.finished)) { news.push(job); }
        }
        noted = Object.fromEntries([...jobs.values()].filter((job) => job.finished).map((job) => [job.id, job.finished]));
        cm.remember(NOTED, noted, true);
        return news;
    }
    cm.interrupted = (job) => job.state === "paused" && /^Interrupted/.test(job.text || "");

    function take(answer) {
        const restarted = state.boot !== "" && state.boot !== answer.boot;
        const whole = restarted || state.seq === 0 || answer.complete === true;
        const away = whole || Date.now() - cm.connection.at > GAP;
        const known = new Map(jobs);
        if (whole) { jobs.clear(); }
        state.first = state.first || answer.boot;
        state.restarts += restarted ? 1 : 0;
        state.boot = answer.boot;
        state.seq = answer.seq;
        state.active = answer.active;
        for (const id of answer.removed || []) { jobs.delete(id); }
        for (const job of answer.jobs) { jobs.set(job.id, job); }
        cm.connection.at = Date.now();
        if (whole || answer.jobs.length || (answer.removed || []).length) {
            const news = ended(answer, known);
            cm.emit("jobs", {ended: news, away: away ? news.filter((job) => job.state !== "cancelled") : [], restarted: restarted});
        }
        if (answer.revision !== undefined && answer.revision !== state.revision) {
            const first = state.revision === null;
            state.revision = answer.revision;
            if (!first) { cm.emit("revision", answer.revision); }
        }
        if (restarted) { cm.emit("restarted"); }
    }

    async function poll() {
        if (state.busy) { state.again = true; return; }
        state.busy = true;
        clearTimeout(state.timer);
        const begun = performance.now();
        state.polls += 1;
        try {
            const answer = await cm.get("jobs?since=" + state.seq + "&boot=" + encodeURIComponent(state.boot));
            state.latencies = [...state.latencies, performance.now() - begun].slice(-SAMPLES);
            state.failures = 0;
            take(answer);
            connection(true, "Connected");
            cm.outbox.flush();
        } catch (error) {
            const login = error instanceof cm.Refusal && error.status === 401;
            state.failures += 1;
            state.failed += 1;
            connection(false, login ? "Log in again" : "Reconnecting", login);
        } finally {
            state.busy = false;
            plan();
            cm.emit("polled");
        }
    }

    function plan() {
        clearTimeout(state.timer);
        const kept = cm.outbox.count() > 0;
        // Hidden: nobody looks (but what was started is still to be sent). No root: the tab is not there yet; page.js polls as soon as it is.
        if ((document.hidden && !kept) || !cm.root()) { return; }
        let wait = state.active > 0 || cm.outbox.entries.length || performance.now() < state.hurry ? ACTIVE : IDLE;
        if (state.failures) { wait = Math.min(kept || state.active > 0 ? PRESSING : LONGEST, ACTIVE * Math.pow(2, state.failures - 1)); }
        if (state.again) { state.again = false; wait = Math.min(wait, 50); }
        state.timer = setTimeout(poll, wait);
    }

    // Something was started: look now, and often for a moment.
    cm.hurry = function () {
        state.hurry = performance.now() + HURRY;
        clearTimeout(state.timer);
        state.timer = setTimeout(poll, 150);
    };
    cm.poll = poll;
    cm.pollState = state;

    cm.act = async function (id, verb) {
        try {
            await cm.post("jobs/" + encodeURIComponent(id) + "/" + verb);
        } catch (error) {
            cm.say(cm.sentence(error));
        }
        cm.hurry();
    };

    document.addEventListener("visibilitychange", () => { if (!document.hidden && cm.root()) { poll(); } else { plan(); } });
    window.addEventListener("online", () => { if (cm.root()) { poll(); } });
    window.addEventListener("pageshow", () => { if (cm.root()) { poll(); } });

    // -- one sentence about a job, for the tray and for the lines in the panel and the settings
    const WORDS = {queued: "Waiting for its turn", running: "Running", waiting: "Waiting", paused: "Paused", done: "Done", failed: "Failed", cancelled: "Cancelled"};
    // "working", "waiting" (it gives no sign, or says what it waits for), "dead" (nobody works on it, or nobody knows), or "".
    cm.life = function (job) {
        if (cm.interrupted(job)) { return "dead"; }
        if (!["running", "waiting", "queued"].includes(job.state)) { return ""; }
        if (!cm.connection.ok) { return "dead"; }
        if (job.state === "waiting") { return "waiting"; }
        return job.state === "running" ? (job.quiet >= 2 ? "waiting" : "working") : "";
    };
    cm.asOf = () => cm.connection.ok || !cm.connection.at ? "" : cm.t("As of {time}", {time: cm.clock(cm.connection.at)});
    cm.describe = function (job) {
        if (job.stopping) { return job.stopping === "pause" ? "Pausing…" : "Cancelling…"; }
        if (job.state === "failed" && job.error) { return (cm.words.of(job.error.message) + " " + cm.words.of(job.error.next_step || "")).trim(); }
        if (job.state === "done") { return told(job) || "Done."; }
        const parts = [cm.life(job) === "waiting" ? WORDS.waiting : WORDS[job.state] || job.state];
        if (job.elsewhere) { parts[0] = cm.t("{state} in another program", {state: parts[0]}); }
        if (job.text && job.state !== "cancelled") { parts.push(job.text); }
        return parts.join(" · ");
    };
    // What the kinds of the library's jobs have done, in words.
    const counted = (number, one, many, otherwise) => number ? cm.tn(number, one, many || one) : otherwise ? cm.t(otherwise) : "";
    const joined = (...parts) => parts.filter(Boolean).join(", ");
    // A note is a text, or {note, where} in the report of an import.
    const withNotes = (text, notes) => [text, ...(notes || []).slice(0, 3).map((one) => typeof one === "string" ? one : one.note)].filter(Boolean).join(" · ");
    const moved = (result, one, many, otherwise) => withNotes(joined(counted(result.files, one, many, otherwise), result.bytes ? cm.size(result.bytes) : ""), result.notes);
    // What a batch did not do, each with its reason.
    const named = (name, why) => name ? cm.t("{name}: {why}", {name: name, why: why}) : cm.words.of(why);
    const KINDS = {
        scan: (result) => result.files === undefined ? "" : withNotes(joined(counted(result.files, "{count} file found", "{count} files found", "No file found"), counted(result.new, "{count} new"),
            counted(result.moved, "{count} moved"), counted(result.missing, "{count} missing"), counted(result.truncated, "{count} truncated"), counted(result.identified, "{count} known on Civitai"),
            counted(result.unknown, "{count} not on Civitai"), counted((result.failed || []).length, "{count} could not be read"),
            counted(result.away, "{count} on a drive that is not there"), counted(result.requests, "{count} request to Civitai", "{count} requests to Civitai")), result.notes),
        verify: (result) => result.verified === undefined ? "" : withNotes((result.problems || []).length ?
            counted(result.files, "{count} file read", "{count} files read") + ": " + cm.t("{good} as they should be, {bad} not", {good: result.verified, bad: result.problems.length}) :
            counted(result.files, "{count} file read: all as they should be", "{count} files read: all as they should be", "No file was read"),
            (result.problems || []).map((one) => named(one.path, one.reason))),
        updates: (result) => result.checked === undefined ? "" : joined(counted(result.checked, "{count} model checked", "{count} models checked", "No model checked"),
            counted(result.with_updates, "{count} has a newer version", "{count} have newer versions", "none has a newer version"), counted(result.early_access_only, "{count} only in early access"),
            counted(result.gone, "{count} gone from Civitai"), counted(result.failed, "{count} not answered"), counted(result.requests, "{count} request", "{count} requests")),
        update: (result) => !result.started ? "" : withNotes(joined(counted(result.started.length, "{count} download started", "{count} downloads started", "No download started"),
            counted((result.skipped || []).length, "{count} left as it is", "{count} left as they are")), (result.skipped || []).map((one) => named(one.name, one.message || one.reason || ""))),
        fetch_resources: (result) => KINDS.update(result),
        collect: (result) => result.models === undefined ? "" : withNotes(joined(counted(result.new, "{count} registered"), counted(result.refreshed, "{count} known already"),
            counted((result.started || []).length, "{count} download started", "{count} downloads started"), counted(result.skips, "{count} not downloaded"), counted(result.failures, "{count} could not be read")),
            [...(result.skipped || []), ...(result.failed || [])].map((one) => named(one.name, one.message || ""))),
        follow: (result) => result.looked === undefined ? "" : withNotes(counted(result.new, "{count} new model", "{count} new models", "Nothing new"), [
            ...(result.cut || []).map((name) => named(name, "more is new than one look goes through")), ...(result.found || []).map((one) => one.name + ": " + cm.count(one.new))]),
        organise: (result) => result.batch === undefined ? "" : moved(result, "Moved {count} file", "Moved {count} files", "Moved nothing"),
        undo: (result) => result.batch === undefined ? "" : moved(result, "Taken back {count} file", "Taken back {count} files", "Taken back nothing"),
        finish_moves: (result) => result.batch === undefined ? "" : moved(result, "Finished {count} file", "Finished {count} files", "Finished nothing"),
        import: (result) => !result.models ? "" : withNotes(joined(cm.t(result.dry_run ? "Would be taken over: {count} new" : "Taken over: {count} new", {count: result.models.new}), counted(result.models.known, "{count} known already"),
            counted(result.models.local, "{count} only here"), counted(result.files, "{count} file", "{count} files")), result.notes),
        examples: (result) => result.kept === undefined ? "" : withNotes(counted(result.kept, "{count} picture kept", "{count} pictures kept", "No picture kept"), result.notes),
        edit: (result) => counted(result.changed, "{count} model changed", "{count} models changed"),
    };
    const KEYS = {accepted: "your key is accepted", "not accepted": "it does not accept your key: enter a valid one in the settings", none: "no key is set"};
    function told(job) {
        const result = job.result || {};
        const words = (KINDS[job.kind] || (() => ""))(result);
        if (words) { return words; }
        if (Array.isArray(result.registered)) {
            if (result.registered.length === 1) { return cm.t(result.new ? "Registered: {name}" : "Refreshed: {name}", {name: result.registered[0].name}); }
            return joined(counted(result.new, "{count} registered"), counted(result.refreshed, "{count} refreshed"));
        }
        if (result.path) { return [cm.t(result.already_here ? "Already here: {path}" : result.verified ? "Verified: {path}" : "Done: {path}", {path: result.path}), ...(result.notes || [])].join(" · "); }
        if (result.address) { return cm.t("Civitai answers in {milliseconds} ms; {state}.", {milliseconds: result.milliseconds, state: KEYS[result.key] || "your key was not asked about"}); }
        if (result.username) { return cm.t("The key works: it belongs to {name}.", {name: result.username}); }
        return job.text || "";
    }
    cm.percent = function (job) {
        if (job.bytes_total > 0) { return Math.min(100, 100 * job.bytes_done / job.bytes_total); }
        return job.total > 0 ? Math.min(100, 100 * job.done / job.total) : null;
    };
    cm.measures = function (job) {
        const parts = [];
        const percent = cm.percent(job);
        const over = ["done", "failed", "cancelled"].includes(job.state);
        if (percent !== null && !over) { parts.push(Math.floor(percent) + " %"); }
        if (job.bytes_total > 0) { parts.push(job.state === "done" ? cm.size(job.bytes_total) : cm.sizes(job.bytes_done, job.bytes_total)); }
        else if (job.total > 1) { parts.push(cm.t("{done} of {total}", {done: job.done, total: job.total})); }
        if (cm.life(job) === "working") {
            if (job.speed) { parts.push(cm.size(job.speed) + "/s"); }
            if (job.eta !== null && job.eta !== undefined) { parts.push(cm.time(job.eta)); }
        }
        return parts;
    };

    // This page's own numbers, for the connection view.
    cm.numbers = function () {
        const sorted = [...state.latencies].sort((a, b) => a - b);
        return {polls: state.polls, failed: state.failed, restarts: state.restarts, since: state.since, boot: state.boot, last: state.latencies[state.latencies.length - 1],
            median: sorted[Math.floor(sorted.length / 2)], worst: sorted[sorted.length - 1]};
    };
})();
