// A grid of cells of which only the visible rows are in the page: 10,000 feel like ten. Rows, keys, focus, roles, and the place over a reload.
// What is shown, and where it comes from, is the caller's: the library, Civitai's answers, pictures and recipes are all this.
//
//     const list = cm.virtual({
//         label: "Models",                     what a screen reader says of the whole
//         name: "browse-",                     under what the place is remembered (and the cells' ids, as "cm_browse-card_0"); "" is the library
//         by: "offset" | "cursor",             and fetchPage, key, id, arrived, ...: see cm.paging
//         makeCell: () => ({node, ...}),       one cell; its node gets its place, size, role, aria-posinset and aria-setsize here
//         fillCell: (cell, item, place) => {}, item is undefined while it is on the way; place: {index, total, width, height}; called at every drawing
//         ratio: 1.32, caption: 62,            height of the picture by its width, and pixels below it (a function of the width is allowed)
//         least: (width) => 178,               the narrowest cell for a grid of this width
//         multiple: true,                      whether several may be selected (aria-multiselectable)
//         open: (item, index) => {},           Enter, and a press
//         select: (item, index, range) => {},  Space, a press with Shift or Ctrl; without it Space opens
//         pressed: (event, item, index) => b,  a press on something in the cell; true when it was dealt with
//         keyed: (event, item, index) => b,    any other key; true when it was dealt with
//         drawn: (source) => {},               before each drawing: counts, what to say of an empty list
//     });
//     list.node                                the scrolling box, to be put into the page; list.data is the source
//     list.reset()                             asked for something else: from the top;  list.reload(): the same, read anew, staying where one is
//     list.read()                              ask for the first page, if nobody has; the node need not be in the page yet
//     list.wake()                              the node is in the page: read, measure, draw
//     list.draw() list.focus() list.move(index) list.item(index) list.active() list.anchor()
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.virtual) { return; }

    const GAP = 14;
    const CELLS = 150;      // in the page at most
    const LEAST = (width) => width < 420 ? 108 : width < 900 ? 160 : 178;

    cm.virtual = function (given) {
        const options = Object.assign({name: "", label: "", by: "offset", ratio: 1.32, caption: 62, least: LEAST, multiple: true}, given);
        const shape = {columns: 1, width: 160, height: 260, view: 0};
        const cells = new Map();
        const spacer = cm.node("div", {class: "cm-spacer", role: "presentation"});
        const scroller = cm.node("div", {class: "cm-scroll", role: "listbox", tabindex: "0", "aria-label": options.label, "aria-multiselectable": options.multiple ? "true" : null}, spacer);
        const data = (options.by === "cursor" ? cm.paging.byCursor : cm.paging.byOffset)(Object.assign({atTop: () => scroller.scrollTop < 40}, options), draw);
        let active = cm.recall(options.name + "active", 0);
        let anchor = active;    // where a range of the selection begins
        let scrollTo = cm.recall(options.name + "scroll", 0);
        if (options.by === "cursor") { data.target = cm.recall(options.name + "loaded", 0); }
        const remember = (what, value) => cm.remember(options.name + what, value);
        const pixels = (value) => typeof value === "function" ? value(shape.width) : value;
        const step = () => shape.height + GAP;
        const last = () => (data.total === null ? data.items ? data.items.length : 0 : data.total) - 1;

        // -- drawing
        function columns(least, width) {
            shape.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
            shape.width = (width - GAP * (shape.columns - 1)) / shape.columns;
            shape.height = Math.round(shape.width * pixels(options.ratio)) + pixels(options.caption);
        }
        function measure() {
            const width = scroller.clientWidth - 2 * GAP;
            if (width <= 0) { return false; }
            shape.view = scroller.clientHeight;
            let least = options.least(width);
            columns(least, width);
            while (shape.columns > 1 && shape.columns * (Math.ceil(shape.view / step()) + 3) > CELLS) { least *= 1.1; columns(least, width); }
            return true;
        }
        function place(cell, index) {
            cell.node.style.transform = "translate(" + (GAP + (index % shape.columns) * (shape.width + GAP)) + "px," + (GAP / 2 + Math.floor(index / shape.columns) * step()) + "px)";
            cell.node.style.width = shape.width + "px";
            cell.node.style.height = shape.height + "px";
            cell.node.classList.toggle("cm-active", index === active);
            if (cell.place !== index) {
                cell.place = index;
                cell.node.id = "cm_" + options.name + "card_" + index;
                cm.attribute(cell.node, "aria-posinset", index + 1);
            }
            const item = data.item(index);
            cm.attribute(cell.node, "aria-setsize", data.total === null ? -1 : data.total);
            cell.node.classList.toggle("cm-waiting", !item);
            options.fillCell(cell, item, {index: index, total: data.total, width: shape.width, height: shape.height});
        }
        function make() {
            const cell = options.makeCell();
            cell.place = -1;
            cm.attribute(cell.node, "role", "option");
            return cell;
        }

        let planned = false;
        function draw() {
            if (planned) { return; }
            planned = true;
            requestAnimationFrame(() => { planned = false; drawNow(); });
        }
        function drawNow() {
            if (options.drawn) { options.drawn(data); }
            if (!scroller.isConnected || !measure()) { return; }
            const total = data.cells(shape.columns) || 0;
            spacer.style.height = (Math.ceil(total / shape.columns) * step() + GAP) + "px";
            goBack();
            const first = Math.max(0, Math.floor(scroller.scrollTop / step()) - 1) * shape.columns;
            const end = Math.min(total, (Math.ceil((scroller.scrollTop + shape.view) / step()) + 1) * shape.columns);
            const free = [];
            for (const [index, cell] of cells) { if (index < first || index >= end) { free.push(cell); cells.delete(index); } }
            for (let index = first; index < end; index += 1) {
                let cell = cells.get(index);
                if (!cell) { cell = free.pop() || make(); cells.set(index, cell); if (!cell.node.parentNode) { spacer.append(cell.node); } }
                place(cell, index);
            }
            for (const cell of free) { cell.node.remove(); }
            data.need(first, end);
            const cell = cells.get(active);
            cm.attribute(scroller, "aria-activedescendant", cell ? cell.node.id : null);
        }
        // To where one was before the page was loaded anew, as soon as that much is there; further down it is read page by page.
        function goBack() {
            if (scrollTo === null || data.cells(shape.columns) === null) { return; }
            scroller.scrollTop = scrollTo * step();
            if (!data.target || data.items.length >= data.target || data.ended || data.error || data.halted) { scrollTo = null; data.target = 0; }
        }

        // -- moving
        function reveal(index) {
            const top = Math.floor(index / shape.columns) * step();
            if (top < scroller.scrollTop) { scroller.scrollTop = top; }
            else if (top + step() > scroller.scrollTop + shape.view) { scroller.scrollTop = top + step() + GAP - shape.view; }
        }
        function point(index) { active = index; remember("active", active); }
        function move(index) {
            point(Math.max(0, Math.min(Math.max(0, last()), index)));
            reveal(active);
            draw();
        }
        function open(index) {
            point(index);
            anchor = index;
            const item = data.item(index);
            if (item) { options.open(item, index); }
            draw();
        }
        // One cell, or all from the last one to this.
        function select(index, range) {
            if (!options.select) { open(index); return; }
            options.select(data.item(index), index, range);
            if (!range) { anchor = index; }
            point(index);
            draw();
        }

        scroller.addEventListener("keydown", (event) => {
            if (event.altKey) { return; }
            const page = Math.max(1, Math.floor(shape.view / step())) * shape.columns;
            const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -shape.columns, ArrowDown: shape.columns, PageUp: -page, PageDown: page};
            if (event.ctrlKey || event.metaKey) {
                if (!options.keyed || !options.keyed(event, data.item(active), active)) { return; }
            } else if (event.key in steps) {
                const next = active + steps[event.key];
                if (Math.abs(steps[event.key]) === 1 || (next >= 0 && next <= last()) || event.key.startsWith("Page")) {
                    move(next);
                    if (event.shiftKey && options.select) { select(active, true); }
                }
            } else if (event.key === "Home") { move(0); }
            else if (event.key === "End") { move(last()); }
            else if (event.key === "Enter") { open(active); }
            else if (event.key === " ") { select(active, event.shiftKey); }
            else if (!options.keyed || !options.keyed(event, data.item(active), active)) { return; }
            event.preventDefault();
            event.stopPropagation();
        });
        spacer.addEventListener("click", (event) => {
            const node = event.target.closest('[role="option"]');
            if (!node || node.classList.contains("cm-waiting")) { return; }
            const index = Number(node.getAttribute("aria-posinset")) - 1;
            scroller.focus({preventScroll: true});
            if (options.pressed && options.pressed(event, data.item(index), index)) { return; }
            if (options.select && event.shiftKey) { select(index, true); }
            else if (options.select && (event.target.closest(".cm-tick") || event.ctrlKey || event.metaKey)) { select(index, false); }
            else { open(index); }
        });
        // Shift and a press would mark text
        spacer.addEventListener("mousedown", (event) => { if (event.shiftKey) { event.preventDefault(); } });
        let scrollTimer = null;
        scroller.addEventListener("scroll", () => {
            draw();
            clearTimeout(scrollTimer);
            scrollTimer = setTimeout(() => {
                if (!data.cells(shape.columns) || scrollTo !== null || !scroller.clientHeight) { return; }
                remember("scroll", scroller.scrollTop / step());
                if (data.items) { remember("loaded", Math.min(data.items.length, Math.ceil((scroller.scrollTop + shape.view) / step()) * shape.columns)); }
            }, 200);
        }, {passive: true});

        function read() { if (data.cells(1) === null && !data.busy) { data.reload(true); } }
        let observed = false;
        return {
            node: scroller, data: data, draw: draw, move: move, select: select, shape: shape,
            item: data.item, active: () => active, anchor: () => anchor,
            focus: () => scroller.focus({preventScroll: true}),
            // Asked for something else. ``again``: also what is known already.
            reset: function (again) {
                scroller.scrollTop = 0;
                scrollTo = null;
                if (data.items) { data.target = 0; remember("loaded", 0); }
                remember("scroll", 0);
                point(0);
                anchor = 0;
                data.patience = 0;
                data.reload(true, again);
            },
            reload: () => data.reload(false),
            read: read,
            wake: function () {
                if (window.ResizeObserver && !observed) { observed = true; new ResizeObserver(draw).observe(scroller); }
                read();
                if (data.cells(1) === null) { draw(); } else { drawNow(); }  // nothing to wait for: in this frame
            },
        };
    };
})();
