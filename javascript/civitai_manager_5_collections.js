// The collections themselves: their names, notes and order, and the order of the models in one. What is in them is chosen in the grid and the panel.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.collections) { return; }

    let editing = 0;
    let asked = 0;      // the collection whose deletion waits for a second press

    const told = cm.node("p", {class: "cm-refused", role: "status"});
    const list = cm.node("ul", {class: "cm-agree-list cm-collection-list"});
    const none = cm.node("p", {class: "cm-quiet"}, "There is no collection yet.");
    const fresh = cm.node("input", {class: "cm-input", "aria-label": "Name of the new collection", placeholder: "Name of the new collection", maxlength: 100});
    const make = cm.node("form", {class: "cm-pop-row", onsubmit: (event) => { event.preventDefault(); create(); }}, fresh, cm.node("button", {type: "submit", class: "cm-action"}, "Add"));
    const body = cm.node("div", {class: "cm-agree-body"}, told, none, list);
    const dialog = cm.node("dialog", {class: "cm-agree cm-collections", "aria-labelledby": "cm_collections_title"}, cm.node("h3", {id: "cm_collections_title"}, "Collections"), body, make,
        cm.node("div", {class: "cm-pop-row cm-agree-buttons"}, cm.node("button", {type: "button", class: "cm-action", onclick: () => dialog.close()}, "Close")));
    const open = cm.button("folder", "Collections: names, notes, order", () => { editing = asked = 0; cm.text(told, ""); draw(); dialog.showModal(); cm.search.facets(); }, {class: "cm-icon cm-open-collections"});
    dialog.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (event.key === "Escape" && editing) { event.preventDefault(); edit(0); }
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) { dialog.close(); } });
    dialog.addEventListener("close", () => open.focus());

    async function send(path, sent) {
        cm.text(told, "");
        try {
            const answer = await cm.post(path, sent);
            await cm.search.facets();
            cm.grid.renew();
            return answer;
        } catch (error) { cm.text(told, cm.sentence(error)); return null; }
    }
    const create = cm.emptied(fresh, (name) => send("collections", {name: name}), () => "");
    function edit(id) {
        const before = editing;
        editing = id;
        draw();
        const at = list.querySelector(id ? '[data-collection="' + id + '"] input' : '[data-collection="' + before + '"] [data-cm-act=edit]');
        if (at) { at.focus(); }
    }
    function choose(one) {
        dialog.close();
        Object.assign(cm.search.filters, {collection: one.name, sort: "collection"});
        cm.search.changed();
        cm.grid.focus();
    }

    // -- drawing
    function form(one) {
        const name = cm.node("input", {class: "cm-input", "aria-label": "Name", maxlength: 100});
        const note = cm.node("textarea", {class: "cm-input cm-words", rows: 3, "aria-label": "Note on the collection", placeholder: "Note"});
        [name.value, note.value] = [one.name, one.note || ""];
        // only what was changed here: the other may have been changed elsewhere meanwhile
        return cm.node("form", {class: "cm-pop-stack", onsubmit: async (event) => {
            event.preventDefault();
            const changed = {};
            if (name.value.trim() !== one.name) { changed.name = name.value.trim(); }
            if (note.value !== (one.note || "")) { changed.note = note.value; }
            const renamed = changed.name && cm.search.filters.collection === one.name;
            if (Object.keys(changed).length && !(await send("collections/" + one.id, changed))) { return; }
            if (renamed) { cm.search.filters.collection = changed.name; cm.search.changed(); }
            edit(0);
        }}, name, note, cm.node("div", {class: "cm-pop-row"}, cm.node("button", {type: "submit", class: "cm-action"}, "Save"), cm.node("button", {type: "button", class: "cm-action", onclick: () => edit(0)}, "Cancel")));
    }
    function row(one, place, all) {
        if (one.id === editing) { return cm.node("li", {"data-collection": one.id}, form(one)); }
        const act = (icon, label, what, action, disabled) => cm.button(icon, cm.t(label, {name: one.name}), action, {"data-cm-act": what, disabled: disabled});
        const move = async (before, what) => { if (await send("collections/move", {ids: [one.id], before: before ? before.id : null})) { focus(one.id, what); } };
        const remove = asked !== one.id ? null : cm.node("div", {class: "cm-pop-row"},
            cm.node("button", {type: "button", class: "cm-action cm-danger", "data-cm-act": "sure", onclick: async () => {
                asked = 0;
                if (await send("collections/" + one.id + "/delete", {}) && cm.search.filters.collection === one.name) { cm.search.filters.collection = ""; cm.search.changed(); }
            }}, cm.tn(one.count, "Delete the collection; its {count} model stays", "Delete the collection; its {count} models stay")),
            cm.node("button", {type: "button", class: "cm-action", onclick: () => { asked = 0; draw(); focus(one.id, "remove"); }}, "Keep it"));
        return cm.node("li", {"data-collection": one.id},
            cm.node("div", {class: "cm-collection-row"}, cm.node("button", {type: "button", class: "cm-link cm-collection-name", title: cm.t("Show them in the library"), onclick: () => choose(one)}, cm.node("span", {translate: "no"}, one.name)),
                cm.node("span", {class: "cm-quiet"}, cm.tn(one.count, "{count} model", "{count} models")),
                cm.node("span", {class: "cm-word-acts"}, act("pencil", "Change {name}", "edit", () => edit(one.id)), act("up", "Move {name} up", "up", () => move(all[place - 1], "up"), place === 0),
                    act("down", "Move {name} down", "down", () => move(all[place + 2], "down"), place === all.length - 1), act("trash", "Delete {name}", "remove", () => { asked = one.id; draw(); focus(one.id, "sure"); }))),
            one.note ? cm.node("p", {class: "cm-quiet cm-collection-note", translate: "no"}, one.note) : null, remove);
    }
    function focus(id, what) {
        const buttons = [...list.querySelectorAll('[data-collection="' + id + '"] [data-cm-act]')];
        const free = (name) => buttons.find((one) => one.dataset.cmAct === name && !one.disabled);
        const wanted = free(what) || free({up: "down", down: "up"}[what]) || buttons.find((one) => !one.disabled);
        if (wanted) { wanted.focus(); }
    }
    function draw() {
        const all = cm.search.known().collections.filter((one) => one.id);
        if (editing && list.querySelector("form") && all.some((one) => one.id === editing)) { return; }  // what is being typed stays
        const at = list.contains(document.activeElement) && document.activeElement.closest("[data-collection]");
        const kept = at ? [at.dataset.collection, document.activeElement.dataset.cmAct] : null;
        list.replaceChildren(...all.map(row));
        none.hidden = all.length > 0;
        if (kept) { focus(...kept); }
    }
    cm.on("facets", () => { if (dialog.open) { draw(); } });

    // -- the order of the models in the collection that is shown: with the keys, and for what is selected
    const shown = () => {
        const {collection, sort} = cm.search.filters;
        return collection && sort === "collection" ? cm.search.known().collections.find((one) => one.name === collection) : null;
    };
    async function order(ids, before) {
        const one = shown();
        if (!one || !ids.length) { return; }
        try { await cm.post("collections/" + one.id + "/order", {ids: ids, before: before}); cm.grid.renew(); } catch (error) { cm.say(cm.sentence(error)); }
    }
    cm.grid.list.node.addEventListener("keydown", (event) => {
        const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
        if (!event.altKey || !by || !shown()) { return; }
        event.preventDefault();
        event.stopPropagation();
        const index = cm.grid.list.active();
        const [item, next] = [cm.grid.card(index), cm.grid.card(by < 0 ? index - 1 : index + 2)];
        if (!item || index + by < 0 || index + by >= cm.grid.data.total) { return; }
        order([item.id], next ? next.id : null).then(() => cm.grid.list.move(index + by));
    });
    async function toEnd(front) {
        const ids = cm.select.ids();
        let first = null;
        for (let index = 0; front && index < cm.grid.data.total && first === null; index += 1) {
            const item = cm.grid.card(index);
            if (!item) { break; }
            if (!cm.select.has(item.id)) { first = item.id; }
        }
        await order(ids, first);
    }
    const ordering = cm.node("div", {class: "cm-pop-stack", hidden: true}, cm.node("div", {class: "cm-pop-row"},
        cm.node("button", {type: "button", class: "cm-action", onclick: () => toEnd(true)}, "To the front"), cm.node("button", {type: "button", class: "cm-action", onclick: () => toEnd(false)}, "To the end")),
        cm.node("p", {class: "cm-quiet"}, "Alt with the left and right arrow moves one card in the order of the collection."));
    cm.select.collectForm.append(ordering);
    cm.on("filters", () => { ordering.hidden = !shown(); });
    cm.on("facets", () => { ordering.hidden = !shown(); });

    cm.collections = {node: dialog};
    cm.search.node.querySelector('[data-filter="collection"]').after(open);
    cm.grid.node.append(dialog);
})();
