// The connection view: what the server says of itself, what this page has measured, and both as text for a bug report.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.diagnostics) { return; }

    let sections = [];
    let shown = false;
    let busy = false;

    const asked = cm.node("span", {role: "status"});
    const reach = cm.node("button", {type: "button", class: "cm-action", onclick: askCivitai}, "Ask Civitai");
    const copied = cm.node("span", {role: "status"});
    const copy = cm.node("button", {type: "button", class: "cm-action", onclick: copyAll}, "Copy for a bug report");
    const byHand = cm.node("textarea", {readonly: true, hidden: true, "aria-label": "The report, to be copied by hand"});
    const failed = cm.node("p", {class: "cm-warning", hidden: true});
    const told = cm.node("div");
    const own = table();
    cm.diagnostics = cm.node("div", {class: "cm-diagnostics"}, cm.node("div", {class: "cm-diagnostics-bar"}, reach, copy, copied, asked), byHand, failed,
        section("This page", own), told);

    function section(title, rows) { return cm.node("section", {}, cm.node("h3", {}, title), rows); }
    function table() { return cm.node("table", {}, cm.node("tbody")); }
    function fill(place, rows) {
        const body = place.firstChild;
        while (body.children.length > rows.length) { body.lastChild.remove(); }
        rows.forEach((row, index) => {
            if (!body.children[index]) { body.append(cm.node("tr", {}, cm.node("th", {scope: "row", translate: place === own ? null : "no"}), cm.node("td", {translate: "no"}), cm.node("td"))); }
            [0, 1, 2].forEach((part) => cm.text(body.children[index].children[part], String(row[part] === undefined || row[part] === null ? "" : row[part])));
        });
        return place;
    }

    function page() {
        const numbers = cm.numbers();
        const time = (value) => value === undefined ? cm.t("none yet") : Math.round(value) + " ms";
        return [
            ["Connection", cm.words.of(cm.connection.text), cm.asOf()],
            ["Kept for sending", String(cm.outbox.count()), ""],
            ["Counted since", new Date(numbers.since).toLocaleString(cm.words.active ? cm.words.locale : "en-GB"), "the page was loaded then"],
            ["Questions to the server", cm.count(numbers.polls), "none while the page is hidden and nothing is kept"],
            ["Without an answer", cm.count(numbers.failed), ""],
            ["Answer time, last", time(numbers.last), ""],
            ["Answer time, median", time(numbers.median), "of the last 100"],
            ["Answer time, worst", time(numbers.worst), "of the last 100"],
            ["Restarts of the server", cm.count(numbers.restarts), "that this page has seen"],
            ["Mark of the server's run", numbers.boot || cm.t("unknown"), "a new one with every start"],
            ["gradio in this page", (window.gradio_config && window.gradio_config.version) || cm.t("unknown"), ""],
            ["Browser", navigator.userAgent, ""],
        ];
    }
    function draw() { if (shown) { fill(own, page()); } }

    async function read() {
        if (busy || !shown) { return; }
        busy = true;
        try {
            sections = (await cm.get("diagnostics")).sections;
            told.replaceChildren(...sections.map((one) => section(one.title, fill(table(), one.rows))));
            failed.hidden = true;
        } catch (error) {
            cm.text(failed, (sections.length ? cm.t("What follows is from before.") + " " : "") + cm.sentence(error));
            failed.hidden = false;
        } finally {
            busy = false;
        }
    }

    async function askCivitai() {
        reach.disabled = true;
        cm.text(asked, "Asking…");
        try {
            const job = (await cm.post("reach", {text: "", ticket: cm.ticket()})).job;
            asked.replaceChildren(cm.node("span", {"data-cm-job": job}, "Asking…"));
            cm.hurry();
        } catch (error) {
            cm.text(asked, cm.sentence(error));
        } finally {
            reach.disabled = false;
        }
    }

    function report() {
        const lines = ["Civitai Manager, connection"];
        for (const one of [...sections, {title: "This page", rows: page()}]) {
            lines.push("", one.title, ...one.rows.map(([name, value, note]) => "  " + name + ": " + value + (note ? "  (" + note + ")" : "")));
        }
        const answer = asked.textContent.trim();
        return [...lines, ...(answer ? ["", "Civitai", "  " + answer] : [])].join("\n") + "\n";
    }
    async function copyAll() {
        const text = report();
        const done = await cm.copyText(text);
        cm.text(copied, done ? "Copied." : "This browser does not allow copying: press Ctrl+C.");
        byHand.hidden = done;
        if (!done) { byHand.value = text; byHand.focus(); byHand.select(); }
        setTimeout(() => { cm.text(copied, ""); }, 8000);
    }

    cm.on("view", (name) => { shown = name === "connection"; draw(); read(); });
    cm.on("connection", (now) => { draw(); if (now.ok) { read(); } });
    cm.on("polled", draw);
    cm.on("outbox", draw);
})();
