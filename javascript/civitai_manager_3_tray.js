// The tray: every job, one line when quiet, a list when opened. It stands below the grid and never covers it.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.tray) { return; }

    const ORDER = {running: 0, waiting: 1, queued: 2, paused: 3, failed: 4, done: 5, cancelled: 6};
    const BUTTONS = {pause: ["pause", "Pause"], resume: ["play", "Resume"], cancel: ["cross", "Cancel"], retry: ["retry", "Try again"], dismiss: ["cross", "Dismiss"]};
    const LISTED = 60;

    const summary = cm.node("span", {class: "cm-tray-summary"});
    const bar = cm.node("span", {class: "cm-bar", "aria-hidden": "true"}, cm.node("span", {class: "cm-bar-fill"}));
    const quick = cm.node("span", {class: "cm-buttons"});
    const toggle = cm.node("button", {type: "button", class: "cm-tray-toggle", "aria-expanded": "false", "aria-controls": "cm_tray_list"}, cm.icon("up"), summary);
    const clear = cm.node("button", {type: "button", class: "cm-link", hidden: true}, "Clear finished");
    const list = cm.node("ul", {class: "cm-tray-list", id: "cm_tray_list", hidden: true});
    const says = cm.node("p", {class: "cm-says", role: "alert", hidden: true});
    const live = cm.node("span", {class: "cm-hidden", "aria-live": "polite"});
    const tray = (cm.tray = cm.node("section", {class: "cm-tray", "aria-label": "Jobs"}, says,
        cm.node("div", {class: "cm-tray-line"}, toggle, bar, quick, clear), list, live));
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
        return [...cm.jobs.values()].sort((a, b) => (ORDER[a.state] - ORDER[b.state]) || (b.created - a.created));
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

    function buttons(job, place) {
        const key = job.id + (job.can || []).join() + job.state;
        if (place.dataset.key === key) { return; }
        const focused = place.contains(document.activeElement);
        place.dataset.key = key;
        place.replaceChildren(...(job.can || []).filter((verb) => BUTTONS[verb]).map((verb) =>
            cm.button(BUTTONS[verb][0], BUTTONS[verb][1] + ": " + job.title, (event) => { event.currentTarget.disabled = true; cm.act(job.id, verb); }, {"data-verb": verb})));
        if (focused && place.firstChild) { place.firstChild.focus(); }
    }

    function fill(bar, job) {
        const percent = job ? cm.percent(job) : null;
        bar.hidden = !job || job.state === "done" || job.state === "cancelled" || job.state === "failed";
        bar.classList.toggle("cm-unknown", percent === null);
        bar.classList.toggle("cm-still", Boolean(job) && job.state !== "running");
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
        row.node.dataset.state = job.state;
        cm.text(row.title, job.title);
        cm.text(row.text, cm.describe(job));
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
        const first = active[0] || all.find((job) => job.state === "paused");
        const parts = [];
        if (active.length) { parts.push(active.length + " running"); }
        if (paused) { parts.push(paused + " paused"); }
        if (failed) { parts.push(failed + " failed"); }
        if (first) { parts.push(first.title, ...cm.measures(first)); if (first.state === "waiting" || first.stopping) { parts.push(cm.describe(first)); } }
        else if (!failed) { parts.push(all.length ? "No job is running, " + all.length + " finished" : "No jobs"); }
        cm.text(summary, parts.join("  ·  "));
        tray.classList.toggle("cm-quiet-tray", !first && !failed);
        fill(bar, open ? null : first);
        quick.hidden = open || !first;
        if (first) { buttons(first, quick); }
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
            cm.text(live, job.title + ": " + cm.describe(job));
            if (job.state === "failed" && !open) { setOpen(true); }
        }
        drawBound();
    });

    // Lines elsewhere in the page that follow one job: <span data-cm-job="ID">.
    function drawBound() {
        const root = cm.root();
        if (!root) { return; }
        for (const line of root.querySelectorAll("[data-cm-job]")) {
            const job = cm.jobs.get(line.dataset.cmJob);
            if (!job) { continue; }
            cm.text(line, [cm.describe(job), ...(job.state === "running" ? cm.measures(job) : [])].join(" · "));
            line.dataset.state = job.state;
        }
    }
    cm.drawBound = drawBound;
    draw();
})();
