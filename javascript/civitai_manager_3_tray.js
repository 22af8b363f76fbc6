// The tray: every job, one line when quiet, a list when opened. It stands below the grid and never covers it.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.tray) { return; }

    const ORDER = {running: 0, waiting: 1, queued: 2, paused: 3, failed: 4, done: 5, cancelled: 6};
    const LOOKS = ["image_data", "resources"]; // what is looked up for a picture: no work that a person wants to see done
    const BUTTONS = {pause: ["pause", "Pause"], resume: ["play", "Resume"], cancel: ["cross", "Cancel"], retry: ["retry", "Try again"], dismiss: ["cross", "Dismiss"]};
    const LISTED = 60;

    const [counts, first] = [cm.node("span", {class: "cm-tray-counts"}), cm.node("span", {class: "cm-tray-first"})];
    const summary = cm.node("span", {class: "cm-tray-summary"}, counts, first);
    const bar = cm.node("span", {class: "cm-bar", "aria-hidden": "true"}, cm.node("span", {class: "cm-bar-fill"}));
    const quick = cm.node("span", {class: "cm-buttons"});
    const toggle = cm.node("button", {type: "button", class: "cm-tray-toggle", "aria-expanded": "false", "aria-controls": "cm_tray_list"}, cm.icon("up"), summary);
    const clear = cm.node("button", {type: "button", class: "cm-link", hidden: true}, "Clear finished");
    const resume = cm.node("button", {type: "button", class: "cm-link", hidden: true, onclick: () => stopped().forEach((job) => cm.act(job.id, "resume"))}, "Resume all");
    const list = cm.node("ul", {class: "cm-tray-list", id: "cm_tray_list", hidden: true});
    const says = cm.node("p", {class: "cm-says", role: "alert", hidden: true});
    const kept = cm.node("p", {class: "cm-kept", role: "status", hidden: true});
    const missed = cm.node("span");
    const meanwhile = cm.node("div", {class: "cm-meanwhile", hidden: true}, missed, cm.button("cross", "Put this line away", () => { meanwhile.hidden = true; }));
    const live = cm.node("span", {class: "cm-hidden", "aria-live": "polite"});
    const tray = (cm.tray = cm.node("section", {class: "cm-tray", "aria-label": "Jobs"}, says, kept, meanwhile,
        cm.node("div", {class: "cm-tray-line"}, toggle, bar, quick, resume, clear), list, live));
    const rows = new Map();
    let open = Boolean(cm.recall("tray", false));
    let sayTimer = null;

    cm.say = function (text) {
        cm.text(says, text);
        says.hidden = !text;
        clearTimeout(sayTimer);
        sayTimer = setTimeout(() => { says.hidden = true; }, 12000);
    };
    says.addEventListener("click", () => { says.hidden = true; });

    function sorted() {
        return [...cm.jobs.values()].filter((job) => !(job.state === "done" && LOOKS.includes(job.kind))).sort((a, b) => (ORDER[a.state] - ORDER[b.state]) || (b.created - a.created));
    }

    // The button for the next step of a failed job.
    function remedy(job) {
        const name = job.state === "failed" && job.error ? job.error.remedy : "";
        const act = (text, action) => cm.node("button", {type: "button", class: "cm-link", onclick: action}, text);
        if (name === "settings") { return act(job.error.code === "login_required" ? "Add your API key" : "Open settings", () => cm.show("settings")); }
        if (name === "confirm" && job.model_id) { return act("Look and confirm", () => cm.choose(job.model_id)); }
        if (name === "rename" && job.model_id) { return act("Choose another name", () => cm.choose(job.model_id)); }
        return null;
    }

    async function press(button, id, verb) {
        button.disabled = true;
        try { await cm.act(id, verb); } finally { button.disabled = false; }
    }
    function buttons(job, place) {
        const key = job.id + (job.can || []).join() + job.state;
        if (place.dataset.key === key) { return; }
        const focused = place.contains(document.activeElement);
        place.dataset.key = key;
        place.replaceChildren(...(job.can || []).filter((verb) => BUTTONS[verb]).map((verb) =>
            cm.button(BUTTONS[verb][0], cm.t("{action}: {what}", {action: BUTTONS[verb][1], what: job.title}), (event) => press(event.currentTarget, job.id, verb), {"data-verb": verb})));
        if (focused && place.firstChild) { place.firstChild.focus(); }
    }

    function fill(bar, job) {
        const percent = job ? cm.percent(job) : null;
        bar.hidden = !job || job.state === "done" || job.state === "cancelled" || job.state === "failed";
        bar.classList.toggle("cm-unknown", percent === null);
        bar.classList.toggle("cm-still", Boolean(job) && cm.life(job) !== "working");
        bar.firstChild.style.width = percent === null ? "" : percent.toFixed(1) + "%";
    }

    function makeRow(job) {
        const title = cm.node(job.model_id ? "button" : "span", {class: "cm-job-title", type: job.model_id ? "button" : null});
        if (job.model_id) { title.addEventListener("click", () => cm.choose(job.model_id)); }
        const row = {
            node: cm.node("li", {class: "cm-job", "data-job": job.id}), title: title, mark: cm.node("span", {class: "cm-job-mark"}),
            text: cm.node("span", {class: "cm-job-text"}), numbers: cm.node("span", {class: "cm-job-numbers"}), remedy: cm.node("span", {class: "cm-job-remedy"}),
            bar: cm.node("span", {class: "cm-bar", role: "progressbar", "aria-label": job.title, "aria-valuemin": 0, "aria-valuemax": 100},
                cm.node("span", {class: "cm-bar-fill"})), buttons: cm.node("span", {class: "cm-buttons"}),
        };
        row.node.append(row.mark, cm.node("span", {class: "cm-job-body"}, cm.node("span", {class: "cm-job-top"}, row.title, row.numbers), row.bar,
            cm.node("span", {class: "cm-job-top"}, row.text, row.remedy)), row.buttons);
        return row;
    }

    function drawRow(job) {
        let row = rows.get(job.id);
        if (!row) { row = makeRow(job); rows.set(job.id, row); }
        const life = cm.life(job);
        row.node.dataset.state = job.state;
        row.node.dataset.life = life;
        cm.text(row.title, job.title);
        cm.text(row.text, (life === "dead" && cm.asOf() ? cm.asOf() + " · " : "") + cm.describe(job));
        cm.text(row.numbers, cm.measures(job).join(" · "));
        fill(row.bar, job);
        const percent = cm.percent(job);
        cm.attribute(row.bar, "aria-valuenow", percent === null ? null : Math.floor(percent));
        if (row.mark.dataset.state !== job.state) {
            row.mark.dataset.state = job.state;
            const icon = {done: "check", failed: "warning", paused: "pause", cancelled: "cross"}[job.state];
            row.mark.replaceChildren(icon ? cm.icon(icon) : cm.node("span", {class: "cm-dot"}));
        }
        const errors = job.state + JSON.stringify(job.error || 0);
        if (row.remedy.dataset.key !== errors) {
            row.remedy.dataset.key = errors;
            const button = remedy(job);
            row.remedy.replaceChildren(...(button ? [button] : []));
        }
        buttons(job, row.buttons);
        return row.node;
    }

    function drawLine(all) {
        const active = all.filter((job) => ["running", "waiting", "queued"].includes(job.state));
        const failed = all.filter((job) => job.state === "failed").length;
        const paused = all.filter((job) => job.state === "paused").length;
        const top = active[0] || all.find((job) => job.state === "paused");
        const [numbers, parts] = [[], []];
        if (active.length) { numbers.push(cm.t("{count} running", {count: active.length})); }
        if (paused) { numbers.push(cm.t("{count} paused", {count: paused})); }
        if (failed) { numbers.push(cm.t("{count} failed", {count: failed})); }
        if (!numbers.length) { numbers.push(all.length ? cm.t("No job is running, {count} finished", {count: all.length}) : cm.t("No jobs")); }
        if (cm.asOf() && all.length) { parts.push(cm.asOf()); }
        if (top) { parts.push(top.title, ...cm.measures(top)); if (cm.life(top) === "waiting" || cm.interrupted(top) || top.stopping) { parts.push(cm.describe(top)); } }
        cm.text(counts, numbers.join("  ·  "));
        cm.text(first, parts.join("  ·  "));
        tray.classList.toggle("cm-quiet-tray", !top && !failed);
        tray.classList.toggle("cm-stale", !cm.connection.ok);
        fill(bar, open ? null : top);
        quick.hidden = open || !top;
        if (top) { buttons(top, quick); }
        resume.hidden = !open || stopped().length < 2;
        clear.hidden = !open || !all.some((job) => (job.can || []).includes("dismiss"));
    }

    function draw() {
        const all = sorted();
        drawLine(all);
        for (const id of [...rows.keys()]) { if (!cm.jobs.has(id)) { rows.get(id).node.remove(); rows.delete(id); } }
        if (open) {
            const nodes = all.slice(0, LISTED).map(drawRow);
            if (!nodes.length) { nodes.push(cm.node("li", {class: "cm-quiet"}, "Downloads and registrations appear here.")); }
            nodes.forEach((node, index) => { if (list.children[index] !== node) { list.insertBefore(node, list.children[index] || null); } });
            while (list.children.length > nodes.length) { list.lastChild.remove(); }
        }
        list.hidden = !open;
        tray.classList.toggle("cm-open", open);
        cm.attribute(toggle, "aria-expanded", open);
        toggle.firstChild.replaceWith(cm.icon(open ? "down" : "up"));
    }

    function setOpen(value) { open = value; cm.remember("tray", open); draw(); }
    toggle.addEventListener("click", () => setOpen(!open));
    clear.addEventListener("click", async () => {
        const finished = [...cm.jobs.values()].filter((job) => (job.can || []).includes("dismiss") && job.state !== "failed");
        const chosen = finished.length ? finished : [...cm.jobs.values()].filter((job) => (job.can || []).includes("dismiss"));
        for (const job of chosen) { try { await cm.post("jobs/" + encodeURIComponent(job.id) + "/dismiss"); } catch (error) { cm.say(cm.sentence(error)); break; } }
        cm.hurry();
    });

    cm.on("jobs", (news) => {
        draw();
        for (const job of news.ended) {
            cm.text(live, cm.t("{what}: {state}", {what: job.title, state: cm.describe(job)}));
            if (job.state === "failed" && !open) { setOpen(true); }
        }
        if (news.away.length) { tellMissed(news.away); }
        offer();
        drawBound();
    });
    cm.on("connection", () => { draw(); drawKept(); drawBound(); });
    cm.on("outbox", drawKept);

    // What is kept until the server answers: nobody needs to press it again.
    function drawKept() {
        const number = cm.outbox.count();
        const words = cm.connection.login ? ["Your login has ended. What you started is kept; it is sent once you have logged in in another tab of this browser.",
            "Your login has ended. The {count} things that you started are kept; they are sent once you have logged in in another tab of this browser."] :
            ["What you started is kept; it is sent when the server answers again.", "The {count} things that you started are kept; they are sent when the server answers again."];
        cm.text(kept, number ? cm.tn(number, ...words) : "");
        kept.hidden = !number;
    }

    // Results that came while nobody looked: one line, the failed ones by name first.
    function tellMissed(away) {
        const names = (state) => away.filter((job) => job.state === state).map((job) => job.title);
        const some = (titles) => {
            const first = titles.slice(0, 3).map((title) => cm.words.of(title)).join(", ");
            return titles.length > 3 ? cm.t("{names} and {count} more", {names: first, count: titles.length - 3}) : first;
        };
        const [failed, done] = [names("failed"), names("done")];
        const told = [failed.length ? cm.t("failed: {names}", {names: some(failed)}) : "", done.length ? cm.t("done: {names}", {names: some(done)}) : ""].filter(Boolean).join("; ");
        cm.text(missed, cm.tn(away.length, "{count} job ended while this page was away: {told}.", "{count} jobs ended while this page was away: {told}.", {told: told}));
        meanwhile.hidden = false;
        cm.text(live, missed.textContent);
    }

    // What a restart has interrupted, and nobody works on: the tray opens once and offers to go on.
    function stopped() { return [...cm.jobs.values()].filter((job) => cm.interrupted(job) && (job.can || []).includes("resume")); }
    function offer() {
        const before = cm.recall("offered", []);
        const ids = stopped().map((job) => job.id);
        if (ids.some((id) => !before.includes(id)) && !open) { setOpen(true); }
        if (ids.join() !== before.join()) { cm.remember("offered", ids); }
    }

    // Lines elsewhere in the page that follow one job: <span data-cm-job="ID">.
    function drawBound() {
        const root = cm.root();
        if (!root) { return; }
        for (const line of root.querySelectorAll("[data-cm-job]")) {
            const job = cm.jobs.get(line.dataset.cmJob);
            if (!job) { continue; }
            const old = cm.life(job) === "dead" && cm.asOf() ? [cm.asOf()] : [];
            cm.text(line, [...old, cm.describe(job), ...(job.state === "running" ? cm.measures(job) : [])].join(" · "));
            line.dataset.state = job.state;
        }
    }
    cm.drawBound = drawBound;
    cm.on("language", () => { draw(); drawBound(); });
    draw();
})();
