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

    const data = {key: "", total: null, pages: new Map(), wanted: new Map(), stale: new Set(), generation: 0, rest: 0, error: ""};
    const shape = {columns: 1, width: 160, height: 260, view: 0};
    const cells = new Map();
    let active = cm.recall("active", 0);
    let anchor = active;    // where a range of the selection begins
    let chosen = cm.recall("chosen", 0);
    let scrollTo = cm.recall("scroll", 0);

    // -- its nodes
    const {count, filtered} = cm.search;
    const spacer = cm.node("div", {class: "cm-spacer", role: "presentation"});
    const scroller = cm.node("div", {class: "cm-scroll", role: "listbox", tabindex: "0", "aria-label": "Models", "aria-multiselectable": "true"}, spacer);
    const nothing = cm.node("div", {class: "cm-empty", hidden: true});
    const foot = cm.node("div", {class: "cm-foot"});  // the selection's bar
    const box = cm.node("div", {class: "cm-gridbox"}, cm.search.node, scroller, nothing, foot);
    cm.grid = {node: box, foot: foot, data: data};

    // -- data: pages by offset; an answer for an older question is dropped
    function changed() {
        scroller.scrollTop = 0;
        active = anchor = 0;
        reload(true);
    }

    function reload(fresh) {
        data.generation += 1;
        data.rest = 0;
        data.key = cm.search.query();
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
            cm.emit("page", answer.items);
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
        const cell = {
            node: null, index: -1, key: "", hash: "", picture: null, blank: cm.node("span", {class: "cm-blank"}, cm.icon("box")),
            canvas: cm.node("canvas", {class: "cm-hash", hidden: true, "aria-hidden": "true"}), cover: cm.node("span", {class: "cm-cover"}),
            name: cm.node("span", {class: "cm-name"}), facts: cm.node("span", {class: "cm-card-facts"}), badges: cm.node("span", {class: "cm-badges"}),
            star: cm.node("span", {class: "cm-star", hidden: true}, cm.icon("star"), cm.node("span", {class: "cm-hidden"}, "Favourite")),
            // For the mouse and the finger; with keys the same is done by Space and V.
            tick: cm.node("span", {class: "cm-tick", "aria-hidden": "true", title: "Select (Space)"}, cm.node("span", {}, cm.icon("check"))),
            reveal: cm.node("span", {class: "cm-reveal", "aria-hidden": "true", title: "Show this picture (V)", hidden: true}, cm.icon("eye"), cm.node("span")),
        };
        cell.cover.append(cell.blank, cell.canvas, cell.badges, cell.star, cell.tick, cell.reveal);
        cell.node = cm.node("div", {class: "cm-card", role: "option"}, cell.cover, cell.name, cell.facts);
        return cell;
    }

    // What is said on a card, the most pressing first: each a sign and a word.
    function badges(item) {
        const found = [];
        if (item.broken || item.state === "broken") { found.push(["warning", "Broken"]); }
        if (item.missing && item.state === "missing") { found.push(["absent", "Missing"]); }
        if (item.newer === 1) { found.push(["fresh", "Update"]); }
        if (item.id < 0) { found.push(["here", "Only here"]); }
        else if (item.files || item.state === "downloaded") { found.push(["check", "Downloaded"]); }
        if (item.newer === 2) { found.push(["clock", "Early access"]); }
        if (item.gone) { found.push(["away", "Gone from Civitai"]); }
        return found;
    }
    // A new picture is a new node: an old one goes on showing what it showed until its next picture has come, and that one may be blurred.
    function setPicture(cell, item, sees) {
        cell.node.classList.remove("cm-loaded");
        if (cell.picture) { cell.picture.remove(); cell.picture = null; }
        if (!item || !item.thumbnail || (!sees && cm.marks.hide())) { return; }
        const picture = cm.node("img", {alt: "Preview of " + item.name, loading: "lazy", decoding: "async", draggable: "false", class: sees ? "cm-clear" : null});
        picture.addEventListener("load", () => { if (cell.picture === picture) { cell.node.classList.add("cm-loaded"); } });
        picture.addEventListener("error", () => { picture.hidden = true; });
        picture.src = cm.base() + "thumbnail/" + item.id + "?v=" + encodeURIComponent(item.thumbnail);
        cell.picture = picture;
        cell.canvas.after(picture);
    }
    function setHash(cell, hash) {
        if (cell.hash === hash) { return; }
        cell.hash = hash;
        cell.canvas.hidden = !hash || !cm.blurhash(cell.canvas, hash);
        cell.node.classList.toggle("cm-hashed", !cell.canvas.hidden);
    }

    function fillCell(cell, index) {
        const item = card(index);
        cell.node.style.transform = "translate(" + (GAP + (index % shape.columns) * (shape.width + GAP)) + "px," + (GAP / 2 + Math.floor(index / shape.columns) * (shape.height + GAP)) + "px)";
        cell.node.style.width = shape.width + "px";
        cell.node.style.height = shape.height + "px";
        cell.node.classList.toggle("cm-active", index === active);
        cm.attribute(cell.node, "aria-selected", Boolean(item) && cm.select.has(item.id));
        cm.attribute(cell.node, "aria-current", item && item.id === chosen ? "true" : null);
        const level = item ? cm.marks.level(item) : 0;
        const sees = Boolean(item) && cm.marks.sees(item.id, level);
        const key = item ? JSON.stringify([item, data.total, sees]) : "wait";
        if (cell.index === index && cell.key === key) { return; }
        cell.index = index;
        cell.key = key;
        cell.node.id = "cm_card_" + index;
        cm.attribute(cell.node, "aria-posinset", index + 1);
        cm.attribute(cell.node, "aria-setsize", data.total);
        cell.node.dataset.id = item ? item.id : "";
        cell.node.classList.toggle("cm-waiting", !item);
        cm.text(cell.name, item ? item.name : "");
        cm.text(cell.facts, item ? [item.type, item.base_model].filter(Boolean).join(" · ") : "");
        const signs = item ? badges(item) : [];
        cell.badges.replaceChildren(...signs.map(([icon, word], place) =>
            cm.node("span", {class: "cm-badge", title: word, "data-badge": word}, cm.icon(icon), cm.node("span", {class: place ? "cm-hidden" : null}, word))));
        cell.star.hidden = !(item && item.favourite);
        cell.node.title = item ? item.name : "";
        const veiled = Boolean(item && item.thumbnail && !sees);
        cell.reveal.hidden = !veiled;
        cm.text(cell.reveal.lastChild, veiled ? cm.marks.word(level) : "");
        const states = [...signs.map((sign) => sign[1]), item && item.favourite ? "Favourite" : "", veiled ? cm.marks.word(level) + ", picture not shown" : ""].filter(Boolean);
        cm.attribute(cell.node, "aria-label", item ? [item.name, item.type, item.base_model, item.creator ? "by " + item.creator : "", ...(signs.length ? [] : ["Registered"]), ...states].filter(Boolean).join(", ") : "Loading");
        const shown = item ? item.id + "?" + item.thumbnail + (sees ? "" : "?" + cm.marks.setting.above) : "";
        if (cell.node.dataset.thumbnail === shown) { return; }
        cell.node.dataset.thumbnail = shown;
        setPicture(cell, item, sees);
        setHash(cell, item && item.thumbnail ? item.blurhash || "" : "");
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
        const empty = total === 0;
        const why = !empty ? "" : filtered() ? "filtered" : cm.marks.hide() ? "hidden" : "first";
        scroller.hidden = empty;
        nothing.hidden = !empty;
        box.classList.toggle("cm-first", why === "first");
        if (empty) { drawEmpty(why); }
    }

    function drawEmpty(key) {
        if (nothing.dataset.key === key) { return; }
        nothing.dataset.key = key;
        if (key === "filtered") {
            nothing.replaceChildren(cm.node("h3", {}, "No model matches"), cm.node("p", {}, "Another word, or fewer filters."),
                cm.node("button", {type: "button", class: "cm-action", onclick: cm.search.clear}, "Clear filters"));
            return;
        }
        if (key === "hidden") {
            nothing.replaceChildren(cm.node("h3", {}, "Nothing to show"), cm.node("p", {}, "Models above the level that you chose are left out, and there are no others. The button with the eye changes that."));
            return;
        }
        const step = (title, text, ...rest) => cm.node("li", {}, cm.node("b", {}, title), cm.node("span", {}, text), ...rest);
        nothing.replaceChildren(cm.node("h3", {}, "Your library is empty"), cm.node("ol", {class: "cm-steps"},
            step("Paste a link", "Copy the address of a model on Civitai and paste it above; Register remembers it with its pictures. Nothing is downloaded yet.",
                cm.node("button", {type: "button", class: "cm-action", onclick: () => cm.focusLinks()}, "Paste a link")),
            step("Scan my folders", "Finds every model that is on the disk already and what it is on Civitai. Your files are only read.",
                cm.node("button", {type: "button", class: "cm-action", onclick: () => cm.scan()}, "Scan my folders")),
            step("Look at the demo", "A small library to try everything offline, without a key. In the folder of Civitai Manager run:",
                cm.node("code", {}, "./start.sh --demo"))),
            cm.node("p", {class: "cm-quiet"}, "Nearly every download needs your API key; it stays on this computer. ",
                cm.node("button", {type: "button", class: "cm-link", onclick: () => cm.show("settings")}, "Open settings")));
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
        active = anchor = index;
        cm.remember("active", active);
        if (item) { cm.choose(item.id); }
        draw();
    }
    // Select or not, one card or all from the last one to this.
    function select(index, range) {
        const item = card(index);
        if (range) { cm.select.range(Math.min(anchor, index), Math.max(anchor, index)); }
        else if (!item && data.total) { cm.select.range(index, index); anchor = index; }  // its card is still on the way
        else if (item) { cm.select.toggle(item); anchor = index; }
        active = index;
        cm.remember("active", active);
        draw();
    }
    cm.grid.mark = function (id) { chosen = id; cm.remember("chosen", id); draw(); };
    cm.grid.focus = () => scroller.focus({preventScroll: true});
    cm.grid.draw = draw;
    cm.grid.card = card;

    scroller.addEventListener("keydown", (event) => {
        if (event.altKey) { return; }
        const page = Math.max(1, Math.floor(shape.view / (shape.height + GAP))) * shape.columns;
        const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -shape.columns, ArrowDown: shape.columns, PageUp: -page, PageDown: page};
        if (event.ctrlKey || event.metaKey) {
            if (event.key.toLowerCase() !== "a" || event.shiftKey) { return; }
            cm.select.all();
        } else if (event.key in steps) {
            const next = active + steps[event.key];
            if (Math.abs(steps[event.key]) === 1 || (next >= 0 && next < data.total) || event.key.startsWith("Page")) {
                move(next);
                if (event.shiftKey) { select(active, true); }
            }
        } else if (event.key === "Home") { move(0); }
        else if (event.key === "End") { move(data.total - 1); }
        else if (event.key === "Enter") { open(active); }
        else if (event.key === " ") { select(active, event.shiftKey); }
        else if (event.key.toLowerCase() === "v" && card(active)) { cm.marks.reveal(card(active).id); }
        else if (event.key === "Escape" && cm.select.count() && !cm.root().classList.contains("cm-panel-open")) { cm.select.clear(); }
        else { return; }
        event.preventDefault();
        event.stopPropagation();
    });
    spacer.addEventListener("click", (event) => {
        const node = event.target.closest(".cm-card");
        if (!node || !node.dataset.id) { return; }
        const index = Number(node.getAttribute("aria-posinset")) - 1;
        scroller.focus({preventScroll: true});
        if (event.target.closest(".cm-reveal")) { cm.marks.reveal(Number(node.dataset.id)); }
        else if (event.shiftKey) { select(index, true); }
        else if (event.target.closest(".cm-tick") || event.ctrlKey || event.metaKey) { select(index, false); }
        else { open(index); }
    });
    // Shift and a press would mark text
    spacer.addEventListener("mousedown", (event) => { if (event.shiftKey) { event.preventDefault(); } });
    let scrollTimer = null;
    scroller.addEventListener("scroll", () => {
        draw();
        clearTimeout(scrollTimer);
        scrollTimer = setTimeout(() => { if (data.total) { cm.remember("scroll", scroller.scrollTop / (shape.height + GAP)); } }, 200);
    }, {passive: true});

    // The library grew or changed: read what is shown again, at most every second and a half, and keep what is on screen meanwhile.
    let pending = null;
    function renew() {
        if (pending) { return; }
        pending = setTimeout(() => { pending = null; reload(false); cm.search.facets(); }, data.total === 0 ? 100 : 1200);
    }
    // What the person has just done here is to be seen at once.
    cm.grid.renew = () => { reload(false); cm.search.facets(); cm.hurry(); };
    cm.on("revision", renew);
    cm.on("restarted", renew);
    cm.on("filters", changed);
    cm.on("resized", draw);
    cm.on("marks", (setting) => { if (setting && cm.search.query() !== data.key) { changed(); } else { draw(); } });
    cm.on("mounted", (name) => { if (name === "grid") { if (window.ResizeObserver) { new ResizeObserver(draw).observe(scroller); } if (data.total === null) { reload(true); cm.search.facets(); } draw(); } });
})();
