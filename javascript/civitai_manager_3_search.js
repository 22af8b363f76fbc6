// What the grid is asked for: the search field, whose finished "type:", "#tag" and the like become chips, menus for those who do not type, and
// filters saved under a name.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.search) { return; }

    const STATES = {downloaded: "Downloaded", registered: "Registered", update: "Update", early: "Early access", missing: "Missing", broken: "Broken",
        local: "Only here", gone: "Gone from Civitai", favourite: "Favourite", noted: "With a note", nsfw: "Mature", unrated: "Not rated"};
    const ALIASES = {favorite: "favourite", updates: "update", outdated: "update", installed: "downloaded", "only-here": "local"};
    const SORTS = [["", "Newest first"], ["published", "Newest on Civitai"], ["name", "By name"], ["downloads", "Most downloaded"], ["liked", "Most liked"],
        ["rating", "Best rated by you"], ["size", "Biggest first"], ["used", "Last used"], ["collection", "Order of the collection"]];
    const MENUS = ["type", "base", "state", "collection", "sort"];
    const TERM = /^(-?)(?:(#|@)|([a-z]+):)"?([^"]+)"?$/i;
    const FIELDS = {type: "type", base: "base", is: "state", collection: "collection", creator: "", tag: ""};
    const MOST = 20;

    // ``q``: what stands in the field; ``terms``: chips that have no menu, as one would type them; the rest are the menus.
    const filters = Object.assign({q: "", terms: []}, Object.fromEntries(MENUS.map((name) => [name, ""])));
    function take(saved) {
        const told = saved || {};
        filters.q = typeof told.q === "string" ? told.q : "";
        filters.terms = Array.isArray(told.terms) ? told.terms.filter((one) => typeof one === "string").slice(0, MOST) : [];
        for (const name of MENUS) { filters[name] = typeof told[name] === "string" ? told[name] : ""; }
    }
    take(cm.recall("filters", {}));
    let known = {types: [], bases: [], collections: [], filters: [], counts: {types: {}, bases: {}, states: {}}};

    function query() {
        const parts = new URLSearchParams();
        const text = [...filters.terms, filters.q].filter(Boolean).join(" ");
        if (text) { parts.set("q", text); }
        for (const name of MENUS) { if (filters[name]) { parts.set(name, filters[name]); } }
        if (cm.marks.hide()) { parts.set("hide", cm.marks.hide()); }
        return parts.toString();
    }
    const filtered = () => Boolean(filters.q || filters.terms.length || filters.type || filters.base || filters.state || filters.collection);

    // -- its nodes
    const field = cm.node("input", {type: "search", class: "cm-input cm-search", placeholder: "Search", "aria-label": "Search the library", title: "Search: words, #tag, @creator, type:, base:, is:, -word (press /)",
        autocomplete: "off", spellcheck: "false"});
    const menu = (name, label) => cm.node("select", {class: "cm-input", "aria-label": label, "data-filter": name, onchange: (event) => { filters[name] = event.target.value; changed(); }});
    const menus = {type: menu("type", "Type"), base: menu("base", "Base model"), state: menu("state", "State"), collection: menu("collection", "Collection"), sort: menu("sort", "Sort")};
    const count = cm.node("span", {class: "cm-count", role: "status", "aria-live": "polite"});
    const reset = cm.node("button", {type: "button", class: "cm-link cm-clear-filters", hidden: true, onclick: clear}, "Clear");
    const chips = cm.node("div", {class: "cm-filter-chips", role: "group", "aria-label": "Filters in use", hidden: true});
    const more = cm.button("filter", "Filters", () => {
        const open = node.classList.toggle("cm-filters-open");
        cm.attribute(more, "aria-expanded", open);
        cm.emit("resized");
    }, {class: "cm-icon cm-more", "aria-expanded": "false"});

    // A button with a box that it opens; Escape and a press elsewhere close it.
    cm.popover = function (icon, label, content, opening, text) {
        const button = cm.button(icon, label, () => toggle(box.hidden), {"aria-expanded": "false", class: text ? "cm-action cm-with-text" : "cm-icon"});
        if (text) { button.append(text); }
        const box = cm.node("div", {class: "cm-pop-box", role: "dialog", "aria-label": label, hidden: true}, content);
        const whole = cm.node("span", {class: "cm-pop"}, button, box);
        function toggle(open) {
            box.hidden = !open;
            cm.attribute(button, "aria-expanded", open);
            if (open && opening) { opening(); }
        }
        whole.addEventListener("keydown", (event) => {
            if (event.key === "Escape" && !box.hidden) { toggle(false); button.focus(); event.preventDefault(); event.stopPropagation(); }
        });
        document.addEventListener("pointerdown", (event) => { if (!box.hidden && !whole.contains(event.target)) { toggle(false); } });
        whole.close = () => toggle(false);
        return whole;
    };

    // -- saved filters
    const name = cm.node("input", {class: "cm-input", "aria-label": "Name for these filters", placeholder: "Name", maxlength: 100});
    const savedList = cm.node("ul", {class: "cm-pop-list"});
    const form = cm.node("form", {class: "cm-pop-row", onsubmit: (event) => { event.preventDefault(); save(); }}, name, cm.node("button", {type: "submit", class: "cm-action"}, "Save"));
    const savedBox = cm.popover("keep", "Saved filters", cm.node("div", {class: "cm-pop-stack"}, savedList, form), () => { drawSaved(); facets(); name.focus(); });
    function drawSaved() {
        savedList.replaceChildren(...(known.filters || []).map((one) => cm.node("li", {},
            cm.node("button", {type: "button", class: "cm-link cm-saved", translate: "no", onclick: () => { take(one.filters); field.value = filters.q; savedBox.close(); changed(); }}, one.name),
            cm.button("cross", cm.t("Delete the saved filters “{name}”", {name: one.name}), () => act("filters/delete", {name: one.name})))));
        if (!savedList.children.length) { savedList.append(cm.node("li", {class: "cm-quiet"}, "Nothing is saved yet. Choose filters, give them a name, and save them here.")); }
    }
    async function save() {
        const called = name.value.trim();
        if (!called) { name.focus(); return; }
        finish(true);
        const {q, terms, ...rest} = filters;
        name.value = "";
        if (!(await act("filters", {name: called, filters: {q: q, terms: terms, ...rest}})) && !name.value) { name.value = called; }
    }
    async function act(path, body) {
        let done = true;
        try { await cm.post(path, body); } catch (error) { done = false; cm.say(cm.sentence(error)); }
        await facets();
        return done;
    }
    const marks = cm.popover("eye", "Which pictures are shown", cm.marks.box);
    const node = cm.node("div", {class: "cm-filters", role: "search"}, field, more, ...Object.values(menus), savedBox, marks, count, reset, chips);

    // -- the field: what is finished there becomes a chip or a menu's choice
    const PARTS = /-?(?:#|@|[a-z]+:)?"[^"]*"?|\S+/gi;
    function finish(all) {
        const text = field.value;
        const rest = [];
        let any = false;
        for (const match of text.matchAll(PARTS)) {
            const end = match.index + match[0].length;
            const done = all || (end < text.length && (match[0].split('"').length - 1) % 2 === 0);
            if (done && filters.terms.length < MOST && chosen(match[0])) { any = true; } else { rest.push(match[0]); }
        }
        if (!any) { return false; }
        field.value = rest.join(" ") + (rest.length && /\s$/.test(text) ? " " : "");
        filters.q = rest.join(" ");
        return true;
    }
    function options(menuName) {
        if (menuName === "state") { return Object.keys(STATES); }
        return menuName === "collection" ? known.collections.map((one) => one.name) : menuName === "type" ? known.types : known.bases;
    }
    function chosen(text) {
        const found = TERM.exec(text.trim());
        if (!found) { return false; }
        const [minus, mark, fieldName, value] = [found[1], found[2], (found[3] || "").toLowerCase(), found[4].trim()];
        if (!value || (!mark && !(fieldName in FIELDS))) { return false; }
        const menuName = mark || minus ? "" : FIELDS[fieldName];
        const wanted = (menuName === "state" && ALIASES[value.toLowerCase()]) || value.toLowerCase();
        const matching = menuName ? options(menuName).filter((one) => one.toLowerCase().startsWith(wanted)) : [];
        const exact = matching.find((one) => one.toLowerCase() === wanted) || (matching.length === 1 ? matching[0] : "");
        if (exact && (menuName === "type" || !filters[menuName] || filters[menuName] === exact)) { filters[menuName] = exact; return true; }
        if (fieldName === "is" && !Object.keys(STATES).some((one) => one.startsWith((ALIASES[wanted] || wanted)))) { return false; }
        const term = text.trim() + ((text.split('"').length - 1) % 2 ? '"' : "");
        if (!filters.terms.includes(term)) { filters.terms.push(term); }
        return true;
    }
    function told(term) {
        const found = TERM.exec(term);
        if (!found) { return term; }
        const [, minus, mark, fieldName, value] = found;
        const state = fieldName && fieldName.toLowerCase() === "is" ? STATES[ALIASES[value.toLowerCase()] || value.toLowerCase()] : "";
        const what = mark ? mark + value : state ? cm.t(state) : value;
        return minus ? cm.t("not {term}", {term: what}) : what;
    }

    // -- drawing
    function fill(menuName, first, values, ours) {
        const select = menus[menuName];
        const chosenNow = filters[menuName];
        const all = chosenNow && !values.some(([value]) => value === chosenNow) ? [...values, [chosenNow, chosenNow]] : values;
        const key = JSON.stringify([first, all]);
        if (select.dataset.key !== key) {
            select.dataset.key = key;
            select.replaceChildren(...(first ? [["", first], ...all] : all).map(([value, text]) => cm.node("option", {value: value, translate: ours || !value ? null : "no"}, text)));
        }
        select.value = chosenNow;
        select.classList.toggle("cm-in-use", Boolean(chosenNow) && menuName !== "sort");
    }
    const counted = (text, number) => number === undefined ? text : text + " (" + cm.count(number) + ")";
    function draw() {
        const counts = known.counts || {};
        fill("type", "All types", known.types.map((one) => [one, counted(one, (counts.types || {})[one])]));
        fill("base", "All bases", known.bases.map((one) => [one, counted(one, (counts.bases || {})[one])]));
        fill("state", "All states", Object.entries(STATES).map(([value, text]) => [value, counted(text, (counts.states || {})[value])]), true);
        fill("collection", "All collections", known.collections.map((one) => [one.name, counted(one.name, one.count)]));
        menus.collection.hidden = !known.collections.length && !filters.collection;
        if (filters.sort === "collection" && !filters.collection) { filters.sort = ""; }
        fill("sort", "", SORTS.filter(([value]) => value !== "collection" || filters.collection), true);
        const used = [["type", filters.type], ["base", filters.base], ["state", cm.t(STATES[filters.state] || filters.state)], ["collection", filters.collection]].filter(([, value]) => value);
        const chip = (text, action) => cm.node("button", {type: "button", class: "cm-chip cm-filter-chip", "aria-label": cm.t("Remove the filter {name}", {name: text}), onclick: action},
            cm.node("span", {translate: "no"}, text), cm.icon("cross"));
        const key = JSON.stringify([used, filters.terms, cm.words.language]);
        if (chips.dataset.key !== key) {
            chips.dataset.key = key;
            const focused = chips.contains(document.activeElement);
            chips.replaceChildren(...used.map(([menuName, text]) => chip(text, () => { filters[menuName] = ""; changed(); })),
                ...filters.terms.map((term) => chip(told(term), () => { filters.terms = filters.terms.filter((one) => one !== term); changed(); })));
            if (focused) { (chips.firstChild || field).focus(); }
            cm.emit("resized");
        }
        chips.hidden = !chips.children.length;
        reset.hidden = !filtered();
        more.classList.toggle("cm-in-use", used.length > 0);
    }
    function changed() {
        cm.remember("filters", filters);
        draw();
        cm.emit("filters");
    }
    function clear() {
        take({sort: filters.sort});
        field.value = "";
        changed();
    }

    // What there is, for the menus; they stay as they are when it cannot be asked, and the next change of the library asks again.
    async function facets() {
        try {
            known = Object.assign({types: [], bases: [], collections: [], filters: [], counts: {}}, await cm.get("facets"));
            draw();
            drawSaved();
            cm.emit("facets", known);
        } catch (error) { /* see above */ }
    }

    cm.on("language", draw);

    let typing = null;
    field.addEventListener("input", () => {
        clearTimeout(typing);
        typing = setTimeout(() => { finish(false); filters.q = field.value.trim(); changed(); }, 180);
    });
    // Left by a press elsewhere: what is pressed must not move away under the finger, so the chips come when it is let go.
    let pressing = false;
    document.addEventListener("pointerdown", () => { pressing = true; }, true);
    for (const name of ["pointerup", "pointercancel"]) { document.addEventListener(name, () => { pressing = false; }, true); }
    const left = () => { if (document.activeElement !== field && finish(true)) { clearTimeout(typing); changed(); } };
    field.addEventListener("blur", () => { if (pressing) { document.addEventListener("pointerup", () => setTimeout(left), {once: true}); } else { left(); } });
    field.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && (field.value || filters.q)) { field.value = ""; filters.q = ""; clearTimeout(typing); changed(); event.preventDefault(); event.stopPropagation(); }
        else if (event.key === "Enter" && !event.isComposing) { clearTimeout(typing); finish(true); filters.q = field.value.trim(); changed(); event.preventDefault(); }
        else if (event.key === "ArrowDown") { cm.grid.focus(); event.preventDefault(); }
        else if (event.key === "Backspace" && !field.value && filters.terms.length) { field.value = filters.terms.pop(); filters.q = field.value; changed(); event.preventDefault(); }
    });
    document.addEventListener("keydown", (event) => {
        if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !field.offsetParent) { return; }
        const at = event.target instanceof Element ? event.target : null;
        if (at && (at.closest("input, textarea, select, [contenteditable]:not([contenteditable=false])") || at.closest("dialog"))) { return; }
        event.preventDefault();
        field.focus();
        field.select();
    });

    cm.search = {node: node, filters: filters, query: query, filtered: filtered, clear: clear, changed: changed, count: count, facets: facets, states: STATES, known: () => known, field: field};
    field.value = filters.q;
    draw();
})();
