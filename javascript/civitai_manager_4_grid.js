// The grid of registered models: cards of the library over cm.virtual.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.grid) { return; }

    let chosen = cm.recall("chosen", 0);

    const {count, filtered} = cm.search;
    const nothing = cm.node("div", {class: "cm-empty", hidden: true});
    const foot = cm.node("div", {class: "cm-foot"});  // the selection's bar
    const list = cm.virtual({
        label: "Models", key: cm.search.query, drawn: drawCount, makeCell: cm.card,
        fetchPage: ({offset, limit, key, signal}) => cm.get("cards?" + key + "&offset=" + offset + "&limit=" + limit, signal),
        arrived: (items) => cm.emit("page", items),
        fillCell: (cell, item) => cm.fillCard(cell, item ? told(item) : null, {selected: Boolean(item) && cm.select.has(item.id), current: Boolean(item) && item.id === chosen}),
        open: (item) => cm.choose(item.id),
        select: select, keyed: keyed,
        pressed: (event, item) => { if (!event.target.closest(".cm-reveal")) { return false; } cm.marks.reveal(item.id); return true; },
    });
    const data = list.data;
    const box = cm.node("div", {class: "cm-gridbox"}, cm.search.node, list.node, nothing, foot);
    cm.grid = {node: box, foot: foot, data: data, draw: list.draw, focus: list.focus, card: list.item, list: list};

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
    function told(item) {
        const level = cm.marks.level(item);
        const picture = item.thumbnail ? {
            key: item.id + "?" + item.thumbnail, src: cm.base() + "thumbnail/" + item.id + "?v=" + encodeURIComponent(item.thumbnail),
            alt: cm.t("Preview of {name}", {name: item.name}), hash: item.blurhash, level: level, sees: cm.marks.sees(item.id, level),
        } : null;
        return {id: item.id, name: item.name, facts: [item.type, item.base_model], more: [item.creator ? cm.t("by {creator}", {creator: item.creator}) : ""], badges: badges(item),
            plain: "Registered", favourite: item.favourite, picture: picture};
    }

    function drawCount() {
        const total = data.total;
        cm.text(count, data.error ? data.error : total === null ? "Loading…" : cm.tn(total, "{count} model", "{count} models"));
        const empty = total === 0;
        const why = !empty ? "" : filtered() ? "filtered" : cm.marks.hide() ? "hidden" : "first";
        list.node.hidden = empty;
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
                cm.node("code", {translate: "no"}, "./start.sh --demo"))),
            cm.node("p", {class: "cm-quiet"}, "Nearly every download needs your API key; it stays on this computer. ",
                cm.node("button", {type: "button", class: "cm-link", onclick: () => cm.show("settings")}, "Open settings")));
    }

    // -- choosing
    // Select or not, one card or all from the last one to this.
    function select(item, index, range) {
        if (range) { cm.select.range(Math.min(list.anchor(), index), Math.max(list.anchor(), index)); }
        else if (!item && data.total) { cm.select.range(index, index); }  // its card is still on the way
        else if (item) { cm.select.toggle(item); }
    }
    function keyed(event, item) {
        const key = event.key.toLowerCase();
        if (event.ctrlKey || event.metaKey) {
            if (key !== "a" || event.shiftKey) { return false; }
            cm.select.all();
        } else if (key === "v" && item) { cm.marks.reveal(item.id); }
        else if (key === "escape" && cm.select.count() && !cm.root().classList.contains("cm-panel-open")) { cm.select.clear(); }
        else { return false; }
        return true;
    }
    cm.grid.mark = function (id) { chosen = id; cm.remember("chosen", id); list.draw(); };

    // The library grew or changed: read what is shown again, at most every second and a half, and keep what is on screen meanwhile.
    let pending = null;
    function renew() {
        if (pending) { return; }
        pending = setTimeout(() => { pending = null; list.reload(); cm.search.facets(); }, data.total === 0 ? 100 : 1200);
    }
    // What the person has just done here is to be seen at once.
    cm.grid.renew = () => { list.reload(); cm.search.facets(); cm.hurry(); };
    cm.on("revision", renew);
    cm.on("restarted", renew);
    // What is finished in the search field becomes a chip, and asks the same: a press on a card must not be lost to that.
    cm.on("filters", () => { if (cm.search.query() !== data.key) { list.reset(); } });
    cm.on("resized", list.draw);
    cm.on("language", list.draw);
    cm.on("marks", (setting) => { if (setting && cm.search.query() !== data.key) { list.reset(); } else { list.draw(); } });
    let asked = false;  // what the menus offer
    cm.on("mounted", (name) => { if (name === "grid") { if (!asked) { asked = true; cm.search.facets(); } list.wake(); } });
})();
