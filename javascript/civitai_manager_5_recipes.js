// The recipes: the grid with its search, ways to make one, dropped files, what was selected, and the trash. The panel of one is the editor's.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.recipes) { return; }

    const STATES = [["favourite", "Favourite"], ["picture", "With a picture"], ["bare", "Without a picture"], ["here", "All models are here"], ["missing", "Models are missing"], ["noted", "With a note"], ["deleted", "In the trash"]];
    const SORTS = [["", "Last changed"], ["created", "Newest first"], ["name", "By name"], ["used", "Last used"]];
    const FILTERS = ["collection", "state", "tag", "sort"];
    const saved = cm.recall("recipe-filters", {}) || {};
    const filters = {q: typeof saved.q === "string" ? saved.q : ""};
    for (const name of FILTERS) { filters[name] = typeof saved[name] === "string" ? saved[name] : ""; }
    const selected = new Set();
    let facets = {total: 0, collections: [], tags: [], states: {}};
    let current = 0;
    let shown = false;

    // -- search and filters
    function query() {
        const parts = new URLSearchParams();
        for (const name of ["q", ...FILTERS]) { if (filters[name]) { parts.set(name, filters[name]); } }
        if (cm.marks.hide()) { parts.set("hide", cm.marks.hide()); }
        return parts.toString();
    }
    const filtered = () => Boolean(filters.q || filters.collection || filters.state || filters.tag);
    function changed() { cm.remember("recipe-filters", filters); selected.clear(); drawFilters(); list.reset(); }
    function clear() { for (const name of ["q", "collection", "state", "tag"]) { filters[name] = ""; } field.value = ""; changed(); }
    const field = cm.node("input", {type: "search", class: "cm-input cm-search-recipes", placeholder: "Search", "aria-label": "Search the recipes", title: "Search: words, #tag, model:, collection:, is:, -word", autocomplete: "off", spellcheck: "false", translate: "no"});
    field.value = filters.q;
    let typing = null;
    field.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { filters.q = field.value.trim(); changed(); }, 180); });
    field.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && field.value) { field.value = ""; filters.q = ""; changed(); event.preventDefault(); event.stopPropagation(); }
        else if (event.key === "ArrowDown") { list.focus(); event.preventDefault(); }
    });
    const menu = (name, label) => cm.node("select", {class: "cm-input", "aria-label": label, "data-recipe-filter": name, onchange: (event) => { filters[name] = event.target.value; changed(); }});
    const menus = {collection: menu("collection", "Collection"), state: menu("state", "State"), tag: menu("tag", "Tag"), sort: menu("sort", "Sort")};
    const count = cm.node("span", {class: "cm-count", role: "status", "aria-live": "polite"});
    const reset = cm.node("button", {type: "button", class: "cm-link cm-clear-filters", hidden: true, onclick: clear}, "Clear");
    const more = cm.button("filter", "Filters", () => { const open = bar.classList.toggle("cm-filters-open"); cm.attribute(more, "aria-expanded", open); list.draw(); }, {class: "cm-icon cm-more", "aria-expanded": "false"});
    const counted = (text, number) => number === undefined ? text : text + " (" + cm.count(number) + ")";
    function fill(name, first, values, data) {
        const select = menus[name];
        const all = filters[name] && !values.some(([value]) => value === filters[name]) ? [...values, [filters[name], filters[name]]] : values;
        const key = JSON.stringify([first, all]);
        if (select.dataset.key !== key) {
            select.dataset.key = key;
            select.replaceChildren(...(first ? [["", first], ...all] : all).map(([value, text]) => cm.node("option", {value: value, translate: data && value ? "no" : null}, text)));
        }
        select.value = filters[name];
        select.classList.toggle("cm-in-use", Boolean(filters[name]) && name !== "sort");
    }
    function drawFilters() {
        fill("collection", "All collections", facets.collections.map((one) => [one.name, counted(one.name, one.count)]), true);
        fill("state", "All states", STATES.map(([value, text]) => [value, counted(text, facets.states[value])]));
        fill("tag", "All tags", facets.tags.map((one) => [one.tag, counted(one.tag, one.count)]), true);
        fill("sort", "", SORTS);
        menus.collection.hidden = !facets.collections.length && !filters.collection;
        menus.tag.hidden = !facets.tags.length && !filters.tag;
        reset.hidden = !filtered();
        purge.hidden = filters.state !== "deleted" || !facets.states.deleted;
        more.classList.toggle("cm-in-use", Boolean(filters.collection || filters.state || filters.tag));
    }
    async function readFacets() {
        try { facets = await cm.get("recipes/facets"); drawFilters(); cm.emit("recipe-facets", facets); } catch (error) { /* the next change asks again */ }
    }

    // -- making
    const chooser = cm.node("input", {type: "file", multiple: true, class: "cm-hidden", tabindex: -1, "aria-hidden": "true", onchange: () => { takeFiles([...chooser.files]); chooser.value = ""; }});
    const fresh = () => cm.node("button", {type: "button", class: "cm-action cm-primary", "data-recipe-new": "hand", onclick: () => byHand()}, "New recipe");
    const fromFile = () => cm.node("button", {type: "button", class: "cm-action", "data-recipe-new": "file", onclick: () => chooser.click()}, "From a file");
    const fromFields = () => cm.node("button", {type: "button", class: "cm-action", "data-recipe-new": "fields", hidden: true, onclick: (event) => keepFields(event.currentTarget)}, "From txt2img");
    const fromLast = () => cm.node("button", {type: "button", class: "cm-action", "data-recipe-new": "last", hidden: true, onclick: (event) => keepLast(event.currentTarget)}, "The last generated");
    const makers = () => [fresh(), fromFile(), fromFields(), fromLast()];
    function drawMakers() {
        const inHost = Boolean(cm.host && cm.host.targets && cm.host.targets.includes("txt2img"));
        for (const button of node.querySelectorAll('[data-recipe-new="fields"], [data-recipe-new="last"]')) { button.hidden = !inHost; }
    }
    async function byHand() {
        const made = await post("recipes", {name: cm.t("New recipe"), source: {kind: "hand"}});
        if (made && made.id) { await open(made.id, true); }
    }
    async function keepFields(button) {
        button.disabled = true;
        cm.say("");  // what was said of the press before
        try {
            const found = await cm.host.read("txt2img");
            if (!found || !found.infotext) { cm.say(cm.t("There is nothing in txt2img yet.")); return; }
            await make({infotext: found.infotext, source: {kind: "fields"}});
        } catch (error) { cm.say(error instanceof cm.Refusal ? cm.sentence(error) : String((error && error.message) || error)); } finally { button.disabled = false; }
    }
    async function keepLast(button) {
        button.disabled = true;
        cm.say("");
        try {
            const last = await cm.get("images/last");
            if (!last.infotext && !last.picture && !last.url) { cm.say(cm.t("Nothing was generated since the WebUI was started.")); return; }
            await cm.recipeFrom({infotext: last.infotext || "", url: typeof last.picture === "string" ? last.picture : last.url || (last.picture || {}).url || "", own: true});
        } catch (error) { cm.say(cm.sentence(error)); } finally { button.disabled = false; }
    }
    async function post(path, body) {
        try { const answer = await cm.post(path, Object.assign({ticket: cm.ticket()}, body)); cm.hurry(); return answer; } catch (error) { cm.say(cm.sentence(error)); return null; }
    }
    // Makes it, or says that there is an equal one; ``picture``: bytes that it gets then. Its id, or 0.
    async function make(body, picture) {
        const answer = await post("recipes", body);
        if (!answer) { return 0; }
        if (answer.equal) { tellEqual(answer.equal, () => make(Object.assign({}, body, {anyway: true}), picture)); return 0; }
        if (picture) { try { await cm.sendBytes("recipes/" + answer.id + "/picture", picture); } catch (error) { cm.say(cm.sentence(error)); } }
        await open(answer.id);
        return answer.id;
    }
    // For the viewer, the host's tabs and whoever has generation data: makes a recipe and shows it.
    cm.recipeFrom = async function (given) {
        cm.show("recipes");
        const foreign = given.picture && /^https?:/.test(given.picture.url || "") && !given.picture.url.startsWith(window.location.origin + "/");
        const body = {infotext: given.infotext || "", title: given.title || "", source: {kind: given.own ? "image" : foreign || given.version_id ? "civitai" : "image", title: given.title || "", url: foreign ? given.picture.url : "", version_id: given.version_id || 0}};
        if (foreign) { body.picture = {url: given.picture.url, type: given.picture.type || "image", level: given.picture.level || 0, id: given.picture.id || 0}; }
        const address = foreign ? "" : given.url || (given.picture || {}).url || "";
        let blob = null;
        if (address) {
            try { const answer = await fetch(new URL(address, cm.base()).href, {credentials: "same-origin"}); blob = answer.ok ? await answer.blob() : null; } catch (error) { blob = null; }
        }
        if (!body.infotext && !foreign && blob) { return takeFiles([new File([blob], given.title || "picture")]); }
        return make(body, blob);
    };

    // -- what is told above the grid: equal ones, deleted ones that can be taken back
    const notice = cm.node("div", {class: "cm-notice cm-recipe-notice", role: "status", hidden: true});
    function tell(text, ...buttons) {
        notice.replaceChildren(cm.node("span", {}, text), ...buttons, cm.button("cross", "Close", () => { notice.hidden = true; list.draw(); }));
        notice.hidden = false;
        list.draw();
    }
    const link = (text, action) => cm.node("button", {type: "button", class: "cm-link", onclick: () => { notice.hidden = true; action(); list.draw(); }}, text);
    function tellEqual(equal, anyway) {
        const one = equal[0];
        tell(cm.t("There is an equal recipe: {name}.", {name: one.name}) + (one.deleted ? " " + cm.t("It is in the trash.") : ""),
            link(one.deleted ? "Take it back" : "Open the existing one", async () => { if (one.deleted) { await post("recipes/undelete", {ids: [one.id]}); } open(one.id); }), link("Make it anyway", anyway));
    }
    function tellDeleted(ids) {
        tell(cm.tn(ids.length, "{count} recipe is in the trash now.", "{count} recipes are in the trash now."), link("Take it back", () => post("recipes/undelete", {ids: ids}).then(renew)));
    }
    cm.on("recipe-delete", (ids) => { if (ids.includes(cm.recipeEditor.id())) { cm.recipeEditor.close(); } tellDeleted(ids); renew(); });
    cm.on("recipe-undelete", () => { notice.hidden = true; renew(); });

    // -- files
    async function takeFiles(files, anyway) {
        let last = 0;
        const equal = [];
        for (const file of files.slice(0, 500)) {
            try {
                const answer = await cm.sendBytes("recipes/drop?" + new URLSearchParams({name: file.name || "", ticket: cm.ticket(), anyway: anyway ? "1" : ""}), file);
                for (const one of answer.recipes) { last = one.id; }
                equal.push(...answer.equal.slice(0, 1).map((one) => [one, file]));
                const differing = answer.recipes.filter((one) => one.conflicts.length);
                if (differing.length) { cm.say(cm.t("{name} is here already, and what you have changed in it was kept.", {name: differing[0].name})); }
            } catch (error) { cm.say((file.name ? file.name + ": " : "") + cm.sentence(error)); }
        }
        cm.hurry();
        if (equal.length) { tellEqual([equal[0][0]], () => takeFiles(equal.map(([, file]) => file), true)); }
        if (last) { await open(last); } else { renew(); }
        return last;
    }
    const veil = cm.node("div", {class: "cm-drop", hidden: true}, cm.node("span", {}, "Drop to keep as a recipe"));
    const carries = (event) => [...((event.dataTransfer && event.dataTransfer.types) || [])].some((one) => ["Files", "text/plain"].includes(one));
    function watchDrop(box) {
        let depth = 0;
        const quiet = (event) => { event.preventDefault(); event.stopPropagation(); };
        box.addEventListener("dragenter", (event) => { if (carries(event)) { depth += 1; veil.hidden = false; quiet(event); } });
        box.addEventListener("dragover", (event) => { if (carries(event)) { event.dataTransfer.dropEffect = "copy"; quiet(event); } });
        box.addEventListener("dragleave", (event) => { depth = Math.max(0, depth - 1); veil.hidden = depth === 0; event.stopPropagation(); });
        box.addEventListener("drop", (event) => {
            depth = 0;
            veil.hidden = true;
            if (!carries(event)) { return; }
            quiet(event);
            const files = [...event.dataTransfer.files];
            const text = event.dataTransfer.getData("text/plain");
            if (files.length === 1 && cm.recipeEditor.id() && event.target.closest(".cm-recipe-picture, .cm-recipe-panel .cm-row") && /^image\//.test(files[0].type)) { cm.recipeEditor.setPicture(files[0]); }
            else if (files.length) { takeFiles(files); }
            else if (text.trim() && !/^https?:\/\/\S+$/.test(text.trim())) { make({infotext: text, source: {kind: "file"}}); }
            else { cm.say("A link cannot be kept as a recipe. Drop a picture, a recipe file, or a text."); }
        });
    }

    // -- the selection
    const chosen = cm.node("span", {class: "cm-select-count", role: "status"});
    const collection = cm.node("input", {class: "cm-input", "aria-label": "Collection for the selected", placeholder: "Collection", list: "cm_recipe_collections", autocomplete: "off"});
    cm.onEnter(collection, async () => {
        const sent = collection.value;
        if (await many({set: {collection: sent}}) && collection.value === sent) { collection.value = ""; }
    });
    const act = (text, action) => cm.node("button", {type: "button", class: "cm-action", onclick: action}, text);
    const star = act("Favourite", () => many({set: {favourite: true}}));
    const bin = act("Delete", async () => { const ids = [...selected]; if (await post("recipes/delete", {ids: ids})) { selected.clear(); cm.emit("recipe-delete", ids); } });
    const back = act("Take back", async () => { const ids = [...selected]; if (await post("recipes/undelete", {ids: ids})) { selected.clear(); renew(); } });
    const foot = cm.node("div", {class: "cm-foot cm-recipe-foot", hidden: true}, chosen, collection, star, bin, back, cm.button("cross", "Select nothing", () => { selected.clear(); drawFoot(); list.draw(); list.focus(); }));
    const purge = cm.node("button", {type: "button", class: "cm-action", hidden: true, onclick: async () => {
        const answer = await agree(cm.tn(facets.states.deleted, "Delete {count} recipe for good?", "Delete {count} recipes for good?"), cm.tn(facets.states.deleted, "Delete {count} recipe for good", "Delete {count} recipes for good"));
        if (answer && await post("recipes/purge", {ids: null})) { cm.recipeEditor.close(); renew(); }
    }}, "Empty the trash");
    // A question with its answer on the button; Escape means no.
    function agree(question, yes) {
        return new Promise((resolve) => {
            const done = (value) => { box.close(); box.remove(); resolve(value); };
            const box = cm.node("dialog", {class: "cm-agree", "aria-label": question, oncancel: (event) => { event.preventDefault(); done(false); }}, cm.node("p", {}, question), cm.node("p", {class: "cm-quiet"}, "Their texts, their pictures and their history cannot be brought back."),
                cm.node("div", {class: "cm-agree-buttons"}, cm.node("button", {type: "button", class: "cm-action", onclick: () => done(false)}, "Keep them"), cm.node("button", {type: "button", class: "cm-action cm-primary", onclick: () => done(true)}, yes)));
            cm.root().append(box);
            box.showModal();
        });
    }
    async function many(change) {
        const done = await post("recipes/edit", Object.assign({ids: [...selected]}, change));
        if (done) { renew(); }
        return done;
    }
    function drawFoot() {
        foot.hidden = !selected.size;
        cm.text(chosen, cm.tn(selected.size, "{count} selected", "{count} selected"));
        bin.hidden = star.hidden = collection.hidden = filters.state === "deleted";
        back.hidden = filters.state !== "deleted";
    }
    function select(item, index, range) {
        const [first, last] = range ? [Math.min(list.anchor(), index), Math.max(list.anchor(), index)] : [index, index];
        for (let place = first; place <= last; place += 1) {
            const one = list.item(place);
            if (!one) { continue; }
            if (range || !selected.has(one.id)) { selected.add(one.id); } else { selected.delete(one.id); }
        }
        drawFoot();
    }

    // -- the grid
    function badges(item) {
        const found = [];
        if (item.missing) { found.push(["absent", cm.tn(item.missing, "{count} model missing", "{count} models missing")]); }
        else if (item.models) { found.push(["check", "All models are here"]); }
        return found;
    }
    function told(item) {
        const sees = cm.recipeSees(item);
        const src = cm.recipePicture(item, true);
        return {id: item.id, name: item.name, facts: [item.collection, item.base], more: [], badges: badges(item), plain: "", favourite: item.favourite,
            picture: src ? {key: item.id + "?" + item.picture + "?" + sees, src: src, alt: item.name, hash: "", level: item.level, sees: sees} : null};
    }
    function makeCell() {
        const cell = cm.card();
        cell.said = cm.node("span", {class: "cm-recipe-said", translate: "no"});
        cell.cover.node.append(cell.said);
        return cell;
    }
    function fillCell(cell, item) {
        cm.fillCard(cell, item ? told(item) : null, {selected: Boolean(item) && selected.has(item.id), current: Boolean(item) && item.id === current});
        cell.said.hidden = !item || Boolean(item.picture);
        cm.text(cell.said, item && !item.picture ? item.said : "");
    }
    const nothing = cm.node("div", {class: "cm-empty", hidden: true});
    const list = cm.virtual({
        label: "Recipes", name: "recipe-", key: query, drawn: drawCount, makeCell: makeCell, fillCell: fillCell,
        fetchPage: ({offset, limit, key, signal}) => cm.get("recipes?" + key + "&offset=" + offset + "&limit=" + limit, signal),
        open: (item) => open(item.id), select: select,
        pressed: (event, item) => { if (!event.target.closest(".cm-reveal")) { return false; } reveal(item); return true; },
        keyed: (event, item) => {
            if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") { for (let index = 0; index < (list.data.total || 0); index += 1) { const one = list.item(index); if (one) { selected.add(one.id); } } }
            else if (event.key.toLowerCase() === "v" && item) { reveal(item); return true; }
            else if (event.key === "Escape" && selected.size) { selected.clear(); }
            else if (event.key === "Escape" && cm.recipeEditor.id()) { cm.recipeEditor.close(); }
            else if (event.key === "Delete" && item && !item.deleted) { const ids = selected.size ? [...selected] : [item.id]; post("recipes/delete", {ids: ids}).then((done) => { if (done) { selected.clear(); cm.emit("recipe-delete", ids); } }); }
            else { return false; }
            drawFoot();
            list.draw();
            return true;
        },
    });
    function reveal(item) { cm.marks.revealed.add("recipe" + item.id); cm.emit("marks"); }
    function drawCount() {
        const total = list.data.total;
        cm.text(count, list.data.error ? list.data.error : total === null ? "Loading…" : total === 1 ? "1 recipe" : cm.count(total) + " recipes");
        const empty = total === 0;
        list.node.hidden = empty;
        nothing.hidden = !empty;
        box.classList.toggle("cm-first", empty && !filtered() && !facets.states.deleted);
        if (empty) { drawEmpty(filtered() ? "filtered" : "first"); }
    }
    function drawEmpty(key) {
        if (nothing.dataset.key === key) { return; }
        nothing.dataset.key = key;
        if (key === "filtered") {
            nothing.replaceChildren(cm.node("h3", {}, "No recipe matches"), cm.node("p", {}, "Another word, or fewer filters."), cm.node("button", {type: "button", class: "cm-action", onclick: clear}, "Clear filters"));
            return;
        }
        const step = (title, text, ...rest) => cm.node("li", {}, cm.node("b", {}, title), cm.node("span", {}, text), ...rest);
        nothing.replaceChildren(cm.node("h3", {}, "No recipes yet"), cm.node("p", {}, "A recipe keeps how a picture was made: its prompts, settings and models, with a picture and your notes."), cm.node("ol", {class: "cm-steps"},
            step("Drop a picture here", "Its settings are read from the file: of the WebUI, ComfyUI, Civitai, Civitai Shortcut and Lora Manager.", fromFile()),
            step("Keep what you see", "Example pictures of models, and those of the community, can be kept with one press where they are shown.", fromFields(), fromLast(),
                cm.civitai ? cm.node("button", {type: "button", class: "cm-action", onclick: () => cm.show("civitai")}, "Look at Civitai") : null),
            step("Write one", "With a prompt and models of your own, with or without a picture.", fresh())));
        drawMakers();
    }

    // -- the whole
    const bar = cm.node("div", {class: "cm-filters", role: "search"}, field, more, ...Object.values(menus), reset, purge, count);
    const tools = cm.node("div", {class: "cm-recipe-tools"}, ...makers(), chooser);
    const box = cm.node("div", {class: "cm-recipe-box"}, tools, bar, notice, list.node, nothing, foot);
    const node = cm.node("div", {class: "cm-recipes"}, box, cm.recipeEditor.node, veil);
    watchDrop(node);
    async function open(id, rename) {
        await cm.recipeEditor.show(id);
        if (rename) { const name = node.querySelector(".cm-recipe-name"); name.focus(); name.select(); }
        renew();
    }
    cm.on("recipe", (id) => {
        current = id;
        node.classList.toggle("cm-recipe-open", Boolean(id));
        list.draw();
        if (!id && node.contains(document.activeElement)) { list.focus(); }
    });
    let pending = null;
    function renew() { clearTimeout(pending); pending = setTimeout(() => { if (shown) { list.reload(); readFacets(); } else { stale = true; } }, 150); }
    let stale = true;
    cm.on("revision", renew);
    cm.on("restarted", renew);
    cm.on("resized", list.draw);
    cm.on("marks", (setting) => { if (setting && query() !== list.data.key) { list.reset(); } else { list.draw(); } });
    cm.on("view", (name) => {
        shown = name === "recipes";
        if (!shown) { cm.recipeEditor.saveAll(); return; }
        drawMakers();
        list.wake();
        if (stale) { stale = false; list.reload(); readFacets(); }
        const before = cm.recall("recipe", 0);
        if (before && !cm.recipeEditor.id()) { cm.recipeEditor.show(before); }
    });
    drawFilters();
    cm.recipes = node;
    cm.mount("recipes", node);
    cm.on("mounted", (name) => { if (name === "recipes") { list.draw(); } });
})();
