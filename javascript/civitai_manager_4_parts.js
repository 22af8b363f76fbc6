// Small parts that several views share: a line that follows a kind of job, drawn bars, dates, and a press that starts something.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.parts) { return; }
    cm.parts = true;

    const SPACE = "http://www.w3.org/2000/svg";
    cm.svg = function (name, attributes, ...children) {
        const node = document.createElementNS(SPACE, name);
        for (const [key, value] of Object.entries(attributes || {})) { node.setAttribute(key, String(value)); }
        node.append(...children);
        return node;
    };

    // A bar of shares of one whole, each with a pattern of its own, so that it is read without colour. The numbers beside it say the same.
    // ``named``: the label is data, not a text of ours.
    let hatches = 0;
    cm.bars = function (shares, label, named) {
        const hatch = "cm_hatch_" + (hatches += 1);
        const drawn = cm.svg("svg", {class: "cm-share", role: "img", "aria-label": label, width: "100%", height: 14},
            cm.svg("defs", {}, cm.svg("pattern", {id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)"},
                cm.svg("rect", {width: 2, height: 6, fill: "currentColor"}))));
        let at = 0;
        for (const [part, kind] of shares) {
            const width = Math.max(0, Math.min(100 - at, 100 * part));
            drawn.append(cm.svg("rect", {x: at + "%", y: 1, width: width + "%", height: 12, class: "cm-share-" + kind, fill: kind === "other" ? "url(#" + hatch + ")" : "currentColor"}));
            at += width;
        }
        if (named) { drawn.setAttribute("translate", "no"); }
        drawn.append(cm.svg("rect", {x: 0, y: 1, width: "100%", height: 12, class: "cm-share-frame", fill: "none"}));
        return drawn;
    };

    // A moment as people say it, with the full date on hover. Seconds since 1970, or a date as text.
    cm.moment = function (value) {
        const when = typeof value === "number" ? value * 1000 : Date.parse(value || "");
        if (!when) { return cm.node("span", {}, cm.t("never")); }
        const minutes = Math.abs(Date.now() - when) / 60000;
        const [number, unit] = minutes < 1 ? [0, ""] : minutes < 60 ? [minutes, "minute"] : minutes < 1440 ? [minutes / 60, "hour"] : minutes < 43200 ? [minutes / 1440, "day"]
            : minutes < 525600 ? [minutes / 43200, "month"] : [minutes / 525600, "year"];
        const whole = Math.floor(number);
        const words = whole + " " + unit + (whole === 1 ? "" : "s");
        const told = cm.words.active && unit ? cm.words.of(when > Date.now() ? "in " + words : words + " ago") : unit ? when > Date.now() ? "in " + words : words + " ago" : when > Date.now() ? cm.t("in a moment") : cm.t("a moment ago");
        return cm.node("time", {datetime: new Date(when).toISOString(), title: cm.words.active ? cm.words.date(when) : new Date(when).toLocaleString("en-GB")}, told);
    };
    // A number and its noun alone; within a sentence use cm.tn.
    cm.plural = (number, one, many) => cm.count(number) + " " + (number === 1 ? one : many || one + "s");

    // A line that follows the newest job of some kinds, whichever page has started it. ``ended`` is called when one of them ends.
    cm.jobLine = function (kinds, ended) {
        const text = cm.node("span");
        const fill = cm.node("span", {class: "cm-bar-fill"});
        const bar = cm.node("span", {class: "cm-bar", "aria-hidden": "true", hidden: true}, fill);
        const line = cm.node("div", {class: "cm-line cm-follows", hidden: true}, cm.node("span", {role: "status"}, text), bar);
        const draw = () => {
            const found = [...cm.jobs.values()].filter((job) => kinds.includes(job.kind)).sort((a, b) => b.created - a.created)[0];
            line.hidden = !found;
            if (!found) { return; }
            const running = ["running", "waiting", "queued", "paused"].includes(found.state);
            const percent = cm.percent(found);
            cm.text(text, [cm.asOf(), cm.t("{what}: {state}", {what: found.title, state: cm.describe(found)}), ...(running ? cm.measures(found) : [])].filter(Boolean).join(" · "));
            text.dataset.state = found.state;
            text.dataset.kind = found.kind;
            bar.hidden = !running;
            bar.classList.toggle("cm-unknown", percent === null);
            bar.classList.toggle("cm-still", cm.life(found) !== "working");
            fill.style.width = percent === null ? "" : percent.toFixed(1) + "%";
        };
        cm.on("jobs", (news) => { draw(); if (ended && news.ended.some((job) => kinds.includes(job.kind))) { ended(); } });
        cm.on("connection", draw);
        return line;
    };

    // A button that asks the server for something: it cannot be pressed twice meanwhile, and what was refused is said in ``told``.
    cm.press = async function (button, told, act) {
        button.disabled = true;
        if (told) { cm.text(told, ""); }
        try {
            const answer = await act();
            cm.hurry();
            return answer;
        } catch (error) {
            if (told) { cm.text(told, cm.sentence(error)); } else { cm.say(cm.sentence(error)); }
            return null;
        } finally {
            button.disabled = false;
        }
    };

    // Enter in a field of ours; not the one that ends the composition of a word in Japanese, Chinese or Korean.
    cm.onEnter = function (field, done) {
        field.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" || event.isComposing) { return; }
            event.preventDefault();
            event.stopPropagation();
            done();
        });
    };
    // One or several fields that are emptied when their texts are sent, by Enter or by what is returned. The cursor goes to the first one then, not
    // when the answer comes: the person may be elsewhere. What was refused comes back, unless something else is there by then. ``of()``: what they belong to.
    cm.emptied = function (fields, save, of) {
        const all = [fields].flat();
        const send = async () => {
            const [texts, before] = [all.map((field) => field.value.trim()), of()];
            all[0].focus();
            if (!texts[0]) { return; }
            for (const field of all) { field.value = ""; }
            if (!(await save(...texts)) && !all.some((field) => field.value) && of() === before) { all.forEach((field, place) => { field.value = texts[place]; }); }
        };
        for (const field of all) { cm.onEnter(field, send); }
        return send;
    };

    // Shows the grid with a search, and nothing else that filters.
    cm.lookFor = function (query) {
        cm.show("library");
        if (cm.search && cm.search.clear) { cm.search.clear(); }
        const field = cm.grid.node.querySelector(".cm-search");
        if (!field) { return; }
        for (const select of cm.grid.node.querySelectorAll("select[data-filter]:not([data-filter=sort])")) {
            if (select.value) { select.value = ""; select.dispatchEvent(new Event("change", {bubbles: true})); }
        }
        field.value = query;
        field.dispatchEvent(new Event("input", {bubbles: true}));
    };
})();
