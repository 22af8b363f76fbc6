// The jobs of the server, as this page knows them: one poller that never gives up. The work does not depend on it.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.jobs) { return; }

    const ACTIVE = 1000;
    const IDLE = 10000;
    const LONGEST = 15000;
    const HURRY = 6000;

    const jobs = (cm.jobs = new Map());
    const state = {boot: "", seq: 0, revision: null, active: 0, failures: 0, timer: null, busy: false, again: false, hurry: 0, latency: 0, polls: 0};
    cm.connection = {ok: true, text: "Connecting", latency: 0, failures: 0};

    function connection(ok, text) {
        const changed = cm.connection.ok !== ok || cm.connection.text !== text;
        Object.assign(cm.connection, {ok: ok, text: text, latency: state.latency, failures: state.failures});
        if (changed) { cm.emit("connection", cm.connection); }
    }

    function take(answer) {
        const restarted = state.boot !== "" && state.boot !== answer.boot;
        if (restarted || state.boot === "") { jobs.clear(); }
        const asked = state.seq;
        state.boot = answer.boot;
        state.seq = answer.seq;
        state.active = answer.active;
        const ended = [];
        for (const job of answer.jobs) {
            const before = jobs.get(job.id);
            jobs.set(job.id, job);
            if (job.finished && (before ? !before.finished : asked > 0 && !restarted)) { ended.push(job); }
        }
        for (const id of answer.removed || []) { jobs.delete(id); }
        if (answer.jobs.length || (answer.removed || []).length || restarted || asked === 0) { cm.emit("jobs", {ended: ended, restarted: restarted}); }
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
        try {
            const answer = await cm.get("jobs?since=" + state.seq + "&boot=" + encodeURIComponent(state.boot));
            state.latency = performance.now() - begun;
            state.failures = 0;
            state.polls += 1;
            take(answer);
            connection(true, "Connected");
        } catch (error) {
            state.failures += 1;
            connection(false, error instanceof cm.Refusal && error.status === 401 ? "Log in again" : "Reconnecting");
        } finally {
            state.busy = false;
            plan();
        }
    }

    function plan() {
        clearTimeout(state.timer);
        if (document.hidden || !cm.root()) { return; }  // hidden, or the tab is not there yet: page.js polls as soon as it is
        let wait = state.active > 0 || performance.now() < state.hurry ? ACTIVE : IDLE;
        if (state.failures) { wait = Math.min(LONGEST, ACTIVE * Math.pow(2, state.failures - 1)); }
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

    document.addEventListener("visibilitychange", () => { if (!document.hidden && cm.root()) { poll(); } else { clearTimeout(state.timer); } });
    window.addEventListener("online", () => { if (cm.root()) { poll(); } });
    window.addEventListener("pageshow", () => { if (cm.root()) { poll(); } });

    // -- one sentence about a job, for the tray and for the lines in the panel and the settings
    const WORDS = {queued: "Waiting for its turn", running: "Running", waiting: "Waiting", paused: "Paused", done: "Done", failed: "Failed", cancelled: "Cancelled"};
    cm.describe = function (job) {
        if (job.stopping) { return job.stopping === "pause" ? "Pausing…" : "Cancelling…"; }
        if (job.state === "failed" && job.error) { return (job.error.message + " " + (job.error.next_step || "")).trim(); }
        if (job.state === "done") { return told(job) || "Done."; }
        const parts = [WORDS[job.state] || job.state];
        if (job.elsewhere) { parts[0] += " in another program"; }
        if (job.text && job.state !== "cancelled") { parts.push(job.text); }
        return parts.join(" · ");
    };
    function told(job) {
        const result = job.result || {};
        if (Array.isArray(result.registered)) {
            if (result.registered.length === 1) { return (result.new ? "Registered: " : "Refreshed: ") + result.registered[0].name; }
            return [result.new ? cm.count(result.new) + " registered" : "", result.refreshed ? cm.count(result.refreshed) + " refreshed" : ""].filter(Boolean).join(", ");
        }
        if (result.path) { return [(result.already_here ? "Already here: " : result.verified ? "Verified: " : "Done: ") + result.path, ...(result.notes || [])].join(" · "); }
        if (result.username) { return "The key works: it belongs to " + result.username + "."; }
        return job.text || "";
    }
    cm.percent = function (job) {
        if (job.bytes_total > 0) { return Math.min(100, 100 * job.bytes_done / job.bytes_total); }
        return job.total > 0 ? Math.min(100, 100 * job.done / job.total) : null;
    };
    cm.measures = function (job) {
        const parts = [];
        const percent = cm.percent(job);
        if (percent !== null && job.state !== "done") { parts.push(Math.floor(percent) + " %"); }
        if (job.bytes_total > 0) { parts.push(job.state === "done" ? cm.size(job.bytes_total) : cm.sizes(job.bytes_done, job.bytes_total)); }
        else if (job.total > 1) { parts.push(cm.count(job.done) + " of " + cm.count(job.total)); }
        if (job.state === "running" && job.speed) { parts.push(cm.size(job.speed) + "/s"); }
        if (job.state === "running" && job.eta !== null && job.eta !== undefined) { parts.push(cm.time(job.eta)); }
        return parts;
    };
})();
