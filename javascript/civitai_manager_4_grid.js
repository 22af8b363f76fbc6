// The grid of registered models: only the visible rows are in the page, cards are fetched as they are needed, 10,000 feel like ten.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.grid) { return; }

    const PAGE = 100;
    const GAP = 14;
    const REST = 3000;  // after a failure
    const CAPTION = 62;
    const RATIO = 1.32;

    const saved = cm.recall("filters", {});
    const filters = {q: saved.q || "", type: saved.type || "", base: saved.base || "", state: saved.state || "", sort: saved.sort || ""};
    const data = {key: "", total: null, pages: new Map(), wanted: new Map(), stale: new Set(), generation: 0, rest: 0, error: ""};
    const shape = {columns: 1, width: 160, height: 260, view: 0};
    const cells = new Map();
    let active = cm.recall("active", 0);
    let chosen = cm.recall("chosen", 0);
    let scrollTo = cm.recall("scroll", 0);

    // -- its nodes
    const search = cm.node("input", {type: "search", class: "cm-input cm-search", placeholder: "Search", "aria-label": "Search the library", autocomplete: "off", spellcheck: "false"});
    const select = (name, label, options) => {
        const node = cm.node("select", {class: "cm-input", "aria-label": label, "data-filter": name},
            ...options.map(([value, text]) => cm.node("option", {value: value}, text)));
        node.value = filters[name];
        node.addEventListener("change", () => { filters[name] = node.value; changed(); });
        return node;
    };
    const selects = {
        type: select("type", "Type", [["", "All types"]]),
        base: select("base", "Base model", [["", "All bases"]]),
        state: select("state", "State", [["", "All states"], ["downloaded", "Downloaded"], ["registered", "Not downloaded"]]),
        sort: select("sort", "Sort", [["", "Newest first"], ["published", "Newest on Civitai first"], ["name", "By name"]]),
    };
    const count = cm.node("span", {class: "cm-count", role: "status", "aria-live": "polite"});
    const reset = cm.node("button", {type: "button", class: "cm-link", hidden: true}, "Clear filters");
    const more = cm.button("filter", "Filters", () => {
        const open = box.classList.toggle("cm-filters-open");
        cm.attribute(more, "aria-expanded", open);
    }, {class: "cm-icon cm-more", "aria-expanded": "false"});
    const bar = cm.node("div", {class: "cm-filters", role: "search"}, search, more, selects.type, selects.base, selects.state, selects.sort, count, reset);
    const spacer = cm.node("div", {class: "cm-spacer", role: "presentation"});
    const scroller = cm.node("div", {class: "cm-scroll", role: "listbox", tabindex: "0", "aria-label": "Models"}, spacer);
    const nothing = cm.node("div", {class: "cm-empty", hidden: true});
    const box = cm.node("div", {class: "cm-gridbox"}, bar, scroller, nothing);
    cm.grid = {node: box, data: data, filters: filters};
    search.value = filters.q;

    // -- data: pages by offset; an answer for an older question is dropped
    function query() {
        const parts = new URLSearchParams();
        for (const [name, value] of Object.entries(filters)) { if (value) { parts.set(name, value); } }
        return parts.toString();
    }

    function changed() {
        cm.remember("filters", filters);
        scroller.scrollTop = 0;
        active = 0;
        cm.attribute(reset, "hidden", query().replace(/&?sort=[a-z]+/, "") ? null : "");
        reload(true);
    }

    function reload(fresh) {
        data.generation += 1;
        data.rest = 0;
        data.key = query();
        for (const controller of data.wanted.values()) { controller.abort(); }
        data.wanted.clear();
        if (fresh) { data.pages.clear(); data.total = null; data.stale.clear(); fetchPage(0); }
        else { data.stale = new Set(data.pages.keys()); if (!data.total) { fetchPage(0); } }
        draw();
    }

    async function fetchPage(number) {
        if (data.wanted.has(number)) { return; }
        const generation = data.generation;
        const controller = new AbortController();
        data.wanted.set(number, controller);
        try {
            const answer = await cm.get("cards?" + data.key + "&offset=" + number * PAGE + "&limit=" + PAGE, controller.signal);
            if (generation !== data.generation) { return; }
            if (data.total !== null && data.total !== answer.total) { data.stale = new Set(data.pages.keys()); }
            data.total = answer.total;
            data.pages.set(number, answer.items);
            data.stale.delete(number);
            data.error = "";
        } catch (error) {
            if (generation !== data.generation) { return; }
            if (data.total === null) { data.error = cm.sentence(error); }
            data.rest = performance.now() + REST;  // every drawing would ask again at once
            setTimeout(() => { if (generation === data.generation) { if (data.total === null) { fetchPage(number); } else { draw(); } } }, REST + 10);
        } finally {
            if (data.wanted.get(number) === controller) { data.wanted.delete(number); }
        }
        draw();
    }

    const card = (index) => { const page = data.pages.get(Math.floor(index / PAGE)); return page ? page[index % PAGE] : undefined; };

    async function facets() {
        try {
            const found = await cm.get("facets");
            for (const [name, values] of [["type", found.types], ["base", found.bases]]) {
                const node = selects[name];
                const first = node.options[0];
                const wanted = filters[name] && !values.includes(filters[name]) ? [...values, filters[name]] : values;
                node.replaceChildren(first, ...wanted.map((value) => cm.node("option", {value: value}, value)));
                node.value = filters[name];
            }
        } catch (error) { /* the filters stay as they are; the next change of the library asks again */ }
    }

    // -- drawing
    function measure() {
        const width = scroller.clientWidth - 2 * GAP;
        if (width <= 0) { return false; }
        const least = width < 420 ? 108 : width < 900 ? 160 : 178;
        shape.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
        shape.width = (width - GAP * (shape.columns - 1)) / shape.columns;
        shape.height = Math.round(shape.width * RATIO) + CAPTION;
        shape.view = scroller.clientHeight;
        return true;
    }

    function makeCell() {
        const picture = cm.node("img", {alt: "", loading: "lazy", decoding: "async", draggable: "false"});
        const cell = {
            node: null, index: -1, key: "", picture: picture, blank: cm.node("span", {class: "cm-blank"}, cm.icon("box")), name: cm.node("span", {class: "cm-name"}),
            facts: cm.node("span", {class: "cm-card-facts"}), badge: cm.node("span", {class: "cm-badge"}),
        };
        picture.addEventListener("load", () => { cell.node.classList.add("cm-loaded"); });
        picture.addEventListener("error", () => { picture.hidden = true; });
        cell.node = cm.node("div", {class: "cm-card", role: "option"}, cm.node("span", {class: "cm-cover"}, cell.blank, picture, cell.badge), cell.name, cell.facts);
        return cell;
    }

    function fillCell(cell, index) {
        const item = card(index);
        const key = item ? [item.id, item.name, item.thumbnail, item.state, item.base_model, item.gone, data.total].join("|") : "wait";
        cell.node.style.transform = "translate(" + (GAP + (index % shape.columns) * (shape.width + GAP)) + "px," + (GAP / 2 + Math.floor(index / shape.columns) * (shape.height + GAP)) + "px)";
        cell.node.style.width = shape.width + "px";
        cell.node.style.height = shape.height + "px";
        cell.node.classList.toggle("cm-active", index === active);
        const selected = Boolean(item) && item.id === chosen;
        cm.attribute(cell.node, "aria-selected", selected);
        if (cell.index === index && cell.key === key) { return; }
        const samePicture = item && cell.node.dataset.thumbnail === item.id + "?" + item.thumbnail;
        cell.index = index;
        cell.key = key;
        cell.node.id = "cm_card_" + index;
        cm.attribute(cell.node, "aria-posinset", index + 1);
        cm.attribute(cell.node, "aria-setsize", data.total);
        cell.node.dataset.id = item ? item.id : "";
        cell.node.classList.toggle("cm-waiting", !item);
        cm.text(cell.name, item ? item.name : "");
        cm.text(cell.facts, item ? [item.type, item.base_model].filter(Boolean).join(" · ") : "");
        const state = !item ? "" : item.state === "downloaded" ? "Downloaded" : item.gone ? "Gone from Civitai" : "";
        cell.badge.replaceChildren(...(state === "Downloaded" ? [cm.icon("check"), state] : state ? [cm.icon("warning"), state] : []));
        cell.badge.hidden = !state;
        cell.node.title = item ? item.name : "";
        cm.attribute(cell.node, "aria-label", item ? [item.name, item.type, item.base_model, item.creator ? "by " + item.creator : "", state || "Registered"].filter(Boolean).join(", ") : "Loading");
        if (samePicture) { return; }
        cell.node.dataset.thumbnail = item ? item.id + "?" + item.thumbnail : "";
        cell.node.classList.remove("cm-loaded");
        cell.picture.hidden = !(item && item.thumbnail);
        cell.picture.alt = item ? "Preview of " + item.name : "";
        if (item && item.thumbnail) { cell.picture.src = cm.base() + "thumbnail/" + item.id + "?v=" + encodeURIComponent(item.thumbnail); }
        else { cell.picture.removeAttribute("src"); }
    }

    let planned = false;
    function draw() {
        if (planned) { return; }
        planned = true;
        requestAnimationFrame(() => { planned = false; drawNow(); });
    }

    function drawNow() {
        drawCount();
        if (!box.isConnected || !measure()) { return; }
        const total = data.total || 0;
        const rows = Math.ceil(total / shape.columns);
        const step = shape.height + GAP;
        spacer.style.height = (rows * step + GAP) + "px";
        if (scrollTo !== null && data.total !== null) { scroller.scrollTop = scrollTo * step; scrollTo = null; }
        const first = Math.max(0, Math.floor(scroller.scrollTop / step) - 1) * shape.columns;
        const last = Math.min(total, (Math.ceil((scroller.scrollTop + shape.view) / step) + 1) * shape.columns);
        const free = [];
        for (const [index, cell] of cells) { if (index < first || index >= last) { free.push(cell); cells.delete(index); } }
        for (let index = first; index < last; index += 1) {
            let cell = cells.get(index);
            if (!cell) { cell = free.pop() || makeCell(); cells.set(index, cell); if (!cell.node.parentNode) { spacer.append(cell.node); } }
            fillCell(cell, index);
        }
        for (const cell of free) { cell.node.remove(); }
        for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(first, last - 1) / PAGE) && total; page += 1) {
            if ((!data.pages.has(page) || data.stale.has(page)) && performance.now() >= data.rest) { fetchPage(page); }
        }
        const cell = cells.get(active);
        cm.attribute(scroller, "aria-activedescendant", cell ? cell.node.id : null);
    }

    function drawCount() {
        const total = data.total;
        cm.text(count, data.error ? data.error : total === null ? "Loading…" : total === 1 ? "1 model" : cm.count(total) + " models");
        const filtered = Boolean(query().replace(/&?sort=[a-z]+/, ""));
        reset.hidden = !filtered;
        const empty = total === 0;
        scroller.hidden = empty;
        nothing.hidden = !empty;
        box.classList.toggle("cm-first", empty && !filtered);
        if (empty) { drawEmpty(filtered); }
    }

    function drawEmpty(filtered) {
        const key = filtered ? "filtered" : "first";
        if (nothing.dataset.key === key) { return; }
        nothing.dataset.key = key;
        if (filtered) {
            nothing.replaceChildren(cm.node("h3", {}, "No model matches"), cm.node("p", {}, "Another word, or fewer filters."),
                cm.node("button", {type: "button", class: "cm-action", onclick: () => reset.click()}, "Clear filters"));
            return;
        }
        const step = (title, text, ...rest) => cm.node("li", {}, cm.node("b", {}, title), cm.node("span", {}, text), ...rest);
        nothing.replaceChildren(cm.node("h3", {}, "Your library is empty"), cm.node("ol", {class: "cm-steps"},
            step("Paste a link", "Copy the address of a model on Civitai and paste it above; Register remembers it with its pictures. Nothing is downloaded yet.",
                cm.node("button", {type: "button", class: "cm-action", onclick: () => cm.focusLinks()}, "Paste a link")),
            step("Add your API key", "Nearly every download needs one. It stays on this computer.",
                cm.node("button", {type: "button", class: "cm-action", onclick: () => cm.show("settings")}, "Open settings")),
            step("Look at the demo", "A small library to try everything offline, without a key. In the folder of Civitai Manager run:",
                cm.node("code", {}, "./start.sh --demo"))));
    }

    // -- moving and choosing
    function reveal(index) {
        const step = shape.height + GAP;
        const top = Math.floor(index / shape.columns) * step;
        if (top < scroller.scrollTop) { scroller.scrollTop = top; }
        else if (top + step > scroller.scrollTop + shape.view) { scroller.scrollTop = top + step + GAP - shape.view; }
    }
    function move(index) {
        active = Math.max(0, Math.min((data.total || 1) - 1, index));
        cm.remember("active", active);
        reveal(active);
        draw();
    }
    function open(index) {
        const item = card(index);
        active = index;
        cm.remember("active", active);
        if (item) { cm.choose(item.id); }
        draw();
    }
    cm.grid.mark = function (id) { chosen = id; cm.remember("chosen", id); draw(); };
    cm.grid.focus = () => scroller.focus({preventScroll: true});
    cm.grid.draw = draw;

    scroller.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) { return; }
        const page = Math.max(1, Math.floor(shape.view / (shape.height + GAP))) * shape.columns;
        const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -shape.columns, ArrowDown: shape.columns, PageUp: -page, PageDown: page};
        if (event.key in steps) { const next = active + steps[event.key]; if (Math.abs(steps[event.key]) === 1 || (next >= 0 && next < data.total) || event.key.startsWith("Page")) { move(next); } }
        else if (event.key === "Home") { move(0); }
        else if (event.key === "End") { move(data.total - 1); }
        else if (event.key === "Enter" || event.key === " ") { open(active); }
        else { return; }
        event.preventDefault();
        event.stopPropagation();
    });
    spacer.addEventListener("click", (event) => {
        const node = event.target.closest(".cm-card");
        if (node && node.dataset.id) { scroller.focus({preventScroll: true}); open(Number(node.getAttribute("aria-posinset")) - 1); }
    });
    let scrollTimer = null;
    scroller.addEventListener("scroll", () => {
        draw();
        clearTimeout(scrollTimer);
        scrollTimer = setTimeout(() => { if (data.total) { cm.remember("scroll", scroller.scrollTop / (shape.height + GAP)); } }, 200);
    }, {passive: true});

    let typing = null;
    search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { filters.q = search.value.trim(); changed(); }, 180); });
    search.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && search.value) { search.value = ""; filters.q = ""; changed(); event.stopPropagation(); }
        if (event.key === "ArrowDown") { scroller.focus(); event.preventDefault(); }
    });
    reset.addEventListener("click", () => {
        Object.assign(filters, {q: "", type: "", base: "", state: ""});
        search.value = "";
        for (const [name, node] of Object.entries(selects)) { node.value = filters[name]; }
        changed();
    });

    // The library grew or changed: read what is shown again, at most every second and a half, and keep what is on screen meanwhile.
    let pending = null;
    function renew() {
        if (pending) { return; }
        pending = setTimeout(() => { pending = null; reload(false); facets(); }, data.total === 0 ? 100 : 1200);
    }
    cm.on("revision", renew);
    cm.on("restarted", renew);
    cm.on("mounted", (name) => { if (name === "grid") { if (window.ResizeObserver) { new ResizeObserver(draw).observe(scroller); } if (data.total === null) { reload(true); facets(); } draw(); } });
})();
