// What Civitai is asked for: words, a link or a hash, menus, and chips of what is chosen. Nothing is asked here; the grid hears "browse" when it changed.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.find) { return; }

    const PAUSE = 600;      // in the typing; Enter asks at once
    const MOST = 20;
    const PERIODS = [["AllTime", "Of all time"], ["Year", "Of the last year"], ["Month", "Of the last month"], ["Week", "Of the last week"], ["Day", "Of the last day"]];
    const EMPTY = {text: "", creator: "", tag: "", types: [], bases: [], sort: "Highest Rated", period: "AllTime", checkpoint: "", early: "", mine: "", words: ""};

    const filters = Object.assign({}, EMPTY);
    let offered = {types: [], bases: [], sorts: [EMPTY.sort], key: true};
    function take(told) {
        for (const [name, none] of Object.entries(EMPTY)) {
            const value = (told || {})[name];
            filters[name] = Array.isArray(none) ? (Array.isArray(value) ? value.filter((one) => typeof one === "string").slice(0, MOST) : []) : typeof value === "string" ? value : none;
        }
    }
    take(cm.recall("browse", {}));

    // As our routes want it. ``hide``: the level above which models are left out in this browser.
    function query() {
        const parts = new URLSearchParams();
        for (const name of ["text", "creator", "tag", "sort", "period", "checkpoint", "early", "mine", "words"]) { if (filters[name] && filters[name] !== "AllTime") { parts.set(name, filters[name]); } }
        if (filters.text) { parts.delete("sort"); }
        for (const name of ["types", "bases"]) { for (const one of filters[name]) { parts.append(name, one); } }
        const hide = cm.marks.hide();
        if (hide) { parts.set("hide", hide); }
        if (hide === 1) { parts.set("mature", "0"); }
        return parts.toString();
    }
    // As it is kept when it is followed.
    function search() {
        const told = {};
        for (const name of ["text", "creator", "tag", "types", "bases", "checkpoint"]) { if (filters[name].length) { told[name] = filters[name]; } }
        return Object.assign(told, filters.early ? {early: false} : {}, filters.mine ? {mine: true} : {}, cm.marks.hide() === 1 ? {mature: false} : {});
    }
    const filtered = () => Object.entries(EMPTY).some(([name, none]) => !["sort", "words"].includes(name) && String(filters[name]) !== String(none));

    // -- its nodes
    const known = cm.node("datalist", {id: "cm_find_names"});
    const field = cm.node("input", {type: "search", class: "cm-input cm-find", placeholder: cm.t("Search Civitai"), "aria-label": cm.t("Search Civitai"), list: "cm_find_names",
        title: cm.t("Words, #tag, @creator, or a link, an id or a hash (press /)"), autocomplete: "off", spellcheck: "false", maxlength: 200});
    const menu = (name, label, change) => cm.node("select", {class: "cm-input", "aria-label": cm.t(label), "data-find": name, onchange: (event) => { change(event.target.value); changed(); }});
    const add = (name) => (value) => { if (value && !filters[name].includes(value)) { filters[name] = [...filters[name], value].slice(0, MOST); } };
    const set = (name) => (value) => { filters[name] = value; };
    const menus = {types: menu("types", "Type", add("types")), bases: menu("bases", "Base model", add("bases")), sort: menu("sort", "Sort", set("sort")), period: menu("period", "Period", set("period")),
        checkpoint: menu("checkpoint", "Kind of checkpoint", set("checkpoint")), early: menu("early", "Early access", set("early")), mine: menu("mine", "Favourites", set("mine"))};
    const count = cm.node("span", {class: "cm-count", role: "status", "aria-live": "polite"});
    const reset = cm.node("button", {type: "button", class: "cm-link cm-find-clear", hidden: true, onclick: clear}, cm.t("Clear"));
    const chips = cm.node("div", {class: "cm-filter-chips", role: "group", "aria-label": cm.t("Filters in use"), hidden: true});
    const more = cm.button("down", cm.t("Filters"), () => {
        cm.attribute(more, "aria-expanded", node.classList.toggle("cm-filters-open"));
        cm.emit("resized");
    }, {class: "cm-icon cm-more", "aria-expanded": "false"});
    // What is seldom needed is behind a button, so that what is looked at has the room.
    const rare = cm.popover("filter", cm.t("More filters"), cm.node("div", {class: "cm-pop-stack"}, ...[["Kind of checkpoint", "checkpoint"], ["Early access", "early"], ["Favourites", "mine"]]
        .map(([text, name]) => cm.node("label", {}, cm.t(text), menus[name]))));
    const tools = cm.node("span", {class: "cm-find-tools"}, rare);
    const node = cm.node("div", {class: "cm-filters", role: "search"}, field, known, more, menus.types, menus.bases, menus.sort, menus.period, tools, count, reset, chips);

    // -- the field: a finished #tag or @creator becomes a chip
    function finish(all) {
        const rest = [];
        const words = field.value.split(/(\s+)/);
        words.forEach((word, at) => {
            const found = /^([#@])(.+)$/u.exec(word);
            if (found && (all || at < words.length - 1)) { filters[found[1] === "#" ? "tag" : "creator"] = found[2].replace(/_/g, found[1] === "#" ? " " : "_"); }
            else { rest.push(word); }
        });
        const text = rest.join("").trim();
        if (text !== field.value.trim()) { field.value = text; }
        if (filters.text !== text) { filters.text = text; filters.words = ""; }
    }
    let typing = null;
    let asking = 0;
    field.addEventListener("input", () => {
        clearTimeout(typing);
        typing = setTimeout(() => { complete(); if (/[#@]\S*$/u.test(field.value)) { return; } finish(false); changed(); }, PAUSE);
    });
    field.addEventListener("change", () => { clearTimeout(typing); const before = JSON.stringify(filters); finish(true); if (JSON.stringify(filters) !== before) { changed(); } });
    field.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.isComposing) { clearTimeout(typing); finish(true); changed(); }
        else if (event.key === "Escape" && field.value) { clearTimeout(typing); field.value = ""; finish(true); changed(); }
        else if (event.key === "ArrowDown" && !known.children.length) { cm.emit("browse-focus"); }
        else if (event.key === "Backspace" && !field.value && (filters.tag || filters.creator)) { filters[filters.tag ? "tag" : "creator"] = ""; changed(); }
        else { return; }
        event.preventDefault();
        event.stopPropagation();
    });
    document.addEventListener("keydown", (event) => {
        if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !field.offsetParent) { return; }
        const at = event.target instanceof Element ? event.target : null;
        if (at && at.closest("input, textarea, select, dialog, [contenteditable]:not([contenteditable=false])")) { return; }
        event.preventDefault();
        field.focus();
        field.select();
    });
    // Names as Civitai completes them, for a #tag or a @creator that is being typed.
    async function complete() {
        const found = /([#@])(\S{2,})$/u.exec(field.value);
        const mine = asking += 1;
        if (!found) { known.replaceChildren(); return; }
        try {
            const answer = await cm.get("browse/names?kind=" + (found[1] === "#" ? "tags" : "creators") + "&prefix=" + encodeURIComponent(found[2].replace(/_/g, " ")) + "&page=" + cm.find.page);
            if (mine !== asking) { return; }
            const before = field.value.slice(0, found.index);
            known.replaceChildren(...answer.names.map((name) => cm.node("option", {value: before + found[1] + name.replace(/\s+/g, "_"), translate: "no"})));
        } catch (error) { /* one types it whole then */ }
    }

    // -- drawing
    function fill(name, values) {
        const key = JSON.stringify(values);
        if (menus[name].dataset.key !== key) {
            menus[name].dataset.key = key;
            menus[name].replaceChildren(...values.map(([value, text, data]) => cm.node("option", {value: value, translate: data ? "no" : null}, text)));
        }
        menus[name].value = Array.isArray(filters[name]) ? "" : filters[name];
        menus[name].classList.toggle("cm-in-use", !["sort"].includes(name) && String(filters[name]) !== String(EMPTY[name]));
    }
    const data = (names) => names.map((name) => [name, name, true]);
    function draw() {
        fill("types", [["", cm.t("All types")], ...data(offered.types)]);
        fill("bases", [["", cm.t("All bases")], ...data(offered.bases)]);
        const told = offered.sorts.includes(filters.sort) ? offered.sorts : [...offered.sorts, filters.sort];
        fill("sort", filters.text ? [[filters.sort, cm.t("Most relevant first")]] : told.map((name) => [name, cm.t(name)]));
        menus.sort.disabled = Boolean(filters.text);
        menus.sort.title = filters.text ? cm.t("Civitai orders a search for words by itself.") : "";
        fill("period", PERIODS.map(([value, text]) => [value, cm.t(text)]));
        fill("checkpoint", [["", cm.t("Trained and merged")], ["Trained", cm.t("Only trained")], ["Merge", cm.t("Only merged")]]);
        menus.checkpoint.parentNode.hidden = filters.types.length > 0 && !filters.types.includes("Checkpoint");
        fill("early", [["", cm.t("With early access")], ["0", cm.t("Without early access")]]);
        fill("mine", [["", cm.t("Everybody's")], ["1", cm.t("My favourites")]]);
        menus.mine.disabled = !offered.key && !filters.mine;
        menus.mine.title = offered.key ? "" : cm.t("Your favourites on Civitai need your API key: add it in the settings.");
        const used = [...filters.types.map((one) => ["types", one, one]), ...filters.bases.map((one) => ["bases", one, one]), ["creator", filters.creator, "@" + filters.creator], ["tag", filters.tag, "#" + filters.tag]].filter(([, value]) => value);
        const key = JSON.stringify(used);
        if (chips.dataset.key !== key) {
            chips.dataset.key = key;
            const focused = chips.contains(document.activeElement);
            chips.replaceChildren(...used.map(([name, value, text]) => cm.node("button", {type: "button", class: "cm-chip cm-filter-chip", translate: "no", "aria-label": cm.t("Remove the filter {name}", {name: text}), onclick: () => {
                filters[name] = Array.isArray(filters[name]) ? filters[name].filter((one) => one !== value) : "";
                changed();
            }}, text, cm.icon("cross"))));
            if (focused) { (chips.firstChild || field).focus(); }
            cm.emit("resized");
        }
        chips.hidden = !used.length;
        reset.hidden = !filtered();
        more.classList.toggle("cm-in-use", used.length > 0);
        rare.firstChild.classList.toggle("cm-in-use", Boolean(filters.checkpoint || filters.early || filters.mine));
    }
    function changed() {
        cm.remember("browse", filters);
        draw();
        cm.emit("browse");
    }
    function clear() {
        take({sort: filters.sort});
        field.value = "";
        changed();
    }

    // What can be chosen; asked for when the view is opened, and once again when Civitai's own lists are still on their way.
    let asked = false;
    async function options(again) {
        if (asked && !again) { return; }
        asked = true;
        try {
            offered = await cm.get("browse/options" + (again ? "?wait=1" : ""));
            draw();
            if (offered.renewing && !again) { options(true); }
        } catch (error) { asked = false; }
    }

    cm.find = {
        node: node, filters: filters, tools: tools, count: count, field: field, query: query, search: search, filtered: filtered, clear: clear, options: options,
        page: Math.random().toString(36).slice(2, 12),
        // ``told``: some of the fields; the rest is as at the beginning.
        set: (told) => { take(told); field.value = filters.text; changed(); },
        words: () => { filters.words = "1"; changed(); },
    };
    field.value = filters.text;
    draw();
})();
