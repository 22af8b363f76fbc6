// The panel of one recipe: every field of it, saved as soon as it is changed, and its history. A refresh never overwrites what is being typed.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.recipeEditor) { return; }

    const PAUSE = 700;
    const PAGE = Math.random().toString(36).slice(2, 10);
    const KINDS = [["checkpoint", "Checkpoint"], ["lora", "LoRA"], ["embedding", "Embedding"], ["vae", "VAE"], ["hypernetwork", "Hypernetwork"], ["upscaler", "Upscaler"], ["other", "Other"]];
    const LEVELS = [[0, "Not rated"], [1, "PG"], [2, "PG-13"], [4, "R"], [8, "X"], [16, "XXX"]];
    const FIELDS = {name: "Name", prompt: "Prompt", negative: "Negative prompt", note: "Note", collection: "Collection", favourite: "Favourite", level: "Rating of the picture",
        parameters: "Parameters", models: "Models", tags: "Tags", picture: "Picture"};
    const SOURCES = {hand: "Made by hand", image: "From a picture", fields: "From txt2img", civitai: "From Civitai", recipe: "A copy", file: "From a file", "import": "Taken over"};
    let view = null;            // what the server said last
    let open = 0;
    let sitting = 0;            // grows with each field that is entered: what is typed in one go is one step of the history
    const unsaved = new Map();  // field -> {timer, id, now}
    const refused = new Set();  // fields whose text the server did not take: it stays, to be changed

    const said = cm.node("p", {class: "cm-refused", role: "status"});
    const id = () => open;
    const say = (text) => cm.text(said, text);
    async function send(recipe, path, body) {
        say("");
        try {
            const answer = await cm.post("recipes/" + recipe + path, Object.assign({ticket: cm.ticket()}, body));
            cm.hurry();
            renew();
            return answer || {};
        } catch (error) { say(cm.t("Not saved.") + " " + cm.sentence(error)); renew(); return null; }
    }
    const edit = (change, recipe) => send(recipe || open, "", change);

    // -- typed fields
    function typed(field, save, always) {
        const now = () => {
            const one = unsaved.get(field);
            if (!one) { return; }
            clearTimeout(one.timer);
            unsaved.delete(field);
            refused.add(field);  // until it is known
            Promise.resolve(save(field.value, one.id, PAGE + "-" + one.sitting)).then((answer) => { if (answer || open !== one.id) { refused.delete(field); } });
        };
        field.addEventListener("focus", () => { sitting += 1; });
        field.addEventListener("input", () => {
            const before = unsaved.get(field);
            if (before) { clearTimeout(before.timer); }
            unsaved.set(field, {timer: setTimeout(now, always ? 60000 : PAUSE), id: before ? before.id : open, sitting: before ? before.sitting : sitting, now: now});
        });
        field.addEventListener("blur", now);
        field.addEventListener("change", now);
        return field;
    }
    const saveAll = () => { for (const one of [...unsaved.values()]) { one.now(); } };
    document.addEventListener("visibilitychange", () => { if (document.hidden) { saveAll(); } });
    window.addEventListener("pagehide", saveAll);
    const labelled = (text, field) => cm.node("label", {class: "cm-field"}, cm.node("span", {}, text), field);
    const single = (name, field) => typed(field, (value, recipe, sat) => edit({set: {[name]: value}, sitting: sat}, recipe));
    const area = (name, rows, label) => labelled(label, single(name, cm.node("textarea", {class: "cm-input cm-words", rows: rows, "data-field": name, translate: "no"})));
    const part = (title, ...rest) => cm.node("section", {class: "cm-own-part", "aria-label": title}, cm.node("h4", {}, title), ...rest);

    const name = single("name", cm.node("input", {class: "cm-input cm-recipe-name", "aria-label": "Name of the recipe", maxlength: 200, "data-field": "name", translate: "no"}));
    const known = cm.node("datalist", {id: "cm_recipe_collections"});
    const collection = single("collection", cm.node("input", {class: "cm-input", maxlength: 200, list: "cm_recipe_collections", placeholder: "None", autocomplete: "off", "data-field": "collection", translate: "no"}));
    const prompt = area("prompt", 6, "Prompt");
    const negative = area("negative", 3, "Negative prompt");
    const note = area("note", 3, "Note");
    const heart = cm.node("button", {type: "button", class: "cm-action cm-favourite", "aria-pressed": "false", onclick: () => {
        const now = heart.getAttribute("aria-pressed") !== "true";
        cm.attribute(heart, "aria-pressed", now);
        edit({set: {favourite: now}});
    }}, cm.icon("star"), cm.node("span", {}, "Favourite"));

    // -- picture
    const cover = cm.cover("box");
    const frame = cm.node("button", {type: "button", class: "cm-recipe-picture", "aria-label": "Show the picture", onclick: () => look()}, cover.node);
    const level = cm.node("select", {class: "cm-input", "aria-label": "Rating of the picture", onchange: () => edit({set: {level: Number(level.value)}})},
        ...LEVELS.map(([value, text]) => cm.node("option", {value: value}, text)));
    const file = cm.node("input", {type: "file", accept: "image/*", class: "cm-hidden", tabindex: -1, "aria-hidden": "true", onchange: () => { if (file.files[0]) { setPicture(file.files[0]); } file.value = ""; }});
    const replace = cm.node("button", {type: "button", class: "cm-link", onclick: () => file.click()}, "Choose a picture");
    const remove = cm.node("button", {type: "button", class: "cm-link", onclick: () => send(open, "/picture/remove")}, "Remove the picture");
    const pictureRow = cm.node("div", {class: "cm-row"}, replace, remove, level, file);
    cm.recipePicture = (item, small) => item.picture ? cm.base() + "recipes/" + item.id + (small ? "/thumbnail" : "/picture") + "?v=" + encodeURIComponent(item.picture.split(".")[0]) : "";
    // One that nobody has rated is the person's own: it is shown.
    cm.recipeSees = (item) => !item.level || cm.marks.shows(item.level) || cm.marks.revealed.has("recipe" + item.id);
    async function setPicture(blob) {
        const recipe = open;
        say("");
        try { await cm.sendBytes("recipes/" + recipe + "/picture", blob); cm.hurry(); } catch (error) { say(cm.sentence(error)); }
        renew();
    }
    function look() {
        if (!view || !view.picture) { file.click(); return; }
        if (!cm.recipeSees(view)) { cm.marks.revealed.add("recipe" + view.id); drawPicture(); cm.emit("marks"); return; }
        const shown = {url: cm.recipePicture(view), id: 0, type: "image", level: view.level, width: view.width, height: view.height, hash: "", model_id: 0, version_id: 0};
        if (cm.viewer && cm.viewer.open) { cm.viewer.open([shown], 0, {title: view.name}); } else { window.open(cm.recipePicture(view), "_blank", "noopener"); }
    }
    function drawPicture() {
        const sees = cm.recipeSees(view);
        const picture = view.picture ? {key: view.id + "?" + view.picture + "?" + sees, src: cm.recipePicture(view, true), alt: view.name, level: view.level, sees: sees} : null;
        cover.show(picture);
        frame.style.setProperty("--cm-ratio", view.width && view.height ? String(Math.max(0.6, Math.min(1.8, view.width / view.height))) : "1.6");
        frame.hidden = !view.picture;
        cm.attribute(frame, "aria-label", sees ? "Show the picture" : "Show this picture");
        cm.text(replace, view.picture ? "Replace the picture" : "Choose a picture");
        remove.hidden = level.hidden = !view.picture;
    }

    // -- tags and parameters
    const tags = cm.node("div", {class: "cm-chips"});
    const tag = cm.node("input", {class: "cm-input", "aria-label": "Add a tag", placeholder: "Add a tag", autocomplete: "off"});
    cm.emptied(tag, (text) => edit({add_tags: [text]}), id);
    const chip = (text, action, label) => cm.node("span", {class: "cm-chip cm-own-chip"}, cm.node("span", {translate: "no"}, text), cm.button("cross", label, action));
    const parameters = cm.node("ul", {class: "cm-recipe-rows"});
    const newName = cm.node("input", {class: "cm-input", "aria-label": "Name of the new parameter", placeholder: "Name", list: "cm_recipe_parameters"});
    const newValue = cm.node("input", {class: "cm-input", "aria-label": "Value of the new parameter", placeholder: "Value"});
    const names = cm.node("datalist", {id: "cm_recipe_parameters"}, ...["Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Clip skip", "Denoising strength", "Hires upscale", "Hires upscaler"].map((one) => cm.node("option", {value: one})));
    const addParameter = cm.emptied([newName, newValue], (name, value) => edit({parameters: {[name]: value}}), id);

    // -- models
    const models = cm.node("ul", {class: "cm-recipe-rows cm-recipe-models"});
    const kind = cm.node("select", {class: "cm-input", "aria-label": "Kind of the new model"}, ...KINDS.map(([value, text]) => cm.node("option", {value: value}, text)));
    kind.value = "lora";
    const modelName = cm.node("input", {class: "cm-input", "aria-label": "Name of the new model", placeholder: "Name of its file"});
    const addModel = cm.emptied(modelName, (name) => edit({add_models: [{kind: kind.value, name: name, weight: ["lora", "hypernetwork"].includes(kind.value) ? 1 : null}]}), id);

    // Rows are kept by their key, so that the cursor stays where it is.
    function rows(list, items, key, make, fill) {
        const before = new Map([...list.children].map((row) => [row.dataset.key, row]));
        const now = items.map((item) => {
            const row = before.get(String(key(item))) || Object.assign(make(item), {});
            row.dataset.key = String(key(item));
            before.delete(row.dataset.key);
            fill(row, item);
            return row;
        });
        for (const row of before.values()) { row.remove(); }
        now.forEach((row, place) => { if (list.children[place] !== row) { list.insertBefore(row, list.children[place] || null); } });
    }
    function parameterRow([label]) {
        const value = typed(cm.node("input", {class: "cm-input", "aria-label": label, translate: "no"}), (text, recipe, sat) => edit({parameters: {[label]: text}, sitting: sat}, recipe));
        return cm.node("li", {}, cm.node("span", {class: "cm-recipe-label", translate: "no", title: label}, label), value, cm.button("cross", cm.t("Remove {name}", {name: label}), () => edit({parameters: {[label]: null}})));
    }
    function modelRow(one) {
        const change = (values, recipe, sat) => edit({change_models: [Object.assign({id: one.id}, values)], sitting: sat || ""}, recipe);
        const title = typed(cm.node("input", {class: "cm-input", "aria-label": "Name of the model", translate: "no"}), (text, recipe, sat) => change({name: text}, recipe, sat), true);
        const weight = typed(cm.node("input", {type: "number", step: "0.05", class: "cm-input cm-recipe-weight", "aria-label": "Weight", placeholder: "1"}),
            (text, recipe, sat) => { if (text === "" || Number.isFinite(Number(text))) { change({weight: text === "" ? null : Number(text)}, recipe, sat); } });
        return cm.node("li", {}, cm.node("span", {class: "cm-recipe-label"}), title, weight, cm.button("cross", "Remove this model", () => edit({remove_models: [one.id]})), cm.node("span", {class: "cm-quiet cm-recipe-state"}));
    }
    const free = (field) => document.activeElement !== field && !unsaved.has(field) && !refused.has(field);
    const put = (field, value) => { if (free(field) && field.value !== String(value)) { field.value = String(value); } };
    function fillModel(row, one) {
        const [label, title, weight, , state] = row.children;
        cm.text(label, (KINDS.find(([value]) => value === one.kind) || KINDS[6])[1]);
        put(title, one.name || (one.version_id ? "version " + one.version_id : one.model_id ? "model " + one.model_id : one.hash));
        put(weight, one.weight === null ? "" : one.weight);
        weight.hidden = !["lora", "hypernetwork", "embedding"].includes(one.kind);
        const found = cm.recipeSend.state(one);
        state.replaceChildren(cm.icon(found.icon), cm.node("span", {}, found.text), found.link ? cm.node("span", {translate: "no"}, found.link) : "");
        row.dataset.state = found.state;
    }

    // -- history
    const history = cm.node("ul", {class: "cm-list cm-recipe-history"});
    const historyTitle = cm.node("summary", {}, "History");
    const historyBox = cm.node("details", {}, historyTitle, history);
    const earlier = cm.node("div", {class: "cm-recipe-earlier", hidden: true});
    async function showEarlier(entry) {
        try {
            const state = await cm.get("recipes/" + open + "/history/" + entry.id);
            const line = (label, value) => value ? cm.node("p", {}, cm.node("b", {}, label), " ", cm.node("span", {translate: "no"}, value)) : null;
            earlier.replaceChildren(line("Name", state.name), line("Prompt", state.prompt), line("Negative prompt", state.negative), line("Parameters", Object.entries(state.parameters).map(([key, value]) => key + ": " + value).join(", ")),
                line("Models", state.models.map((one) => one.name + (one.weight === null ? "" : " " + one.weight)).join(", ")), line("Tags", state.tags.join(", ")), line("Note", state.note),
                cm.node("button", {type: "button", class: "cm-action", onclick: async () => { saveAll(); if (await send(open, "/restore", {history: entry.id})) { earlier.hidden = true; } }}, "Bring this back"));
            earlier.hidden = false;
        } catch (error) { say(cm.sentence(error)); }
    }
    function drawHistory() {
        cm.text(historyTitle, view.history.length ? cm.tn(view.history.length, "History: {count} earlier state", "History: {count} earlier states") : "History");
        history.replaceChildren(...(view.history.length ? view.history.map((entry) => cm.node("li", {}, cm.node("span", {}, cm.moment(entry.at), " · ",
            entry.what.map((one) => cm.t(FIELDS[one] || one)).join(", ")), cm.node("button", {type: "button", class: "cm-link", onclick: () => showEarlier(entry)}, "Show what was before")))
            : [cm.node("li", {class: "cm-quiet"}, "Nothing was changed yet. What a recipe was before a change is kept here.")]));
    }

    // -- the whole
    const close = cm.button("cross", "Close the recipe", () => shut());
    const gone = cm.node("p", {class: "cm-warning", hidden: true}, "This recipe is in the trash. ", cm.node("button", {type: "button", class: "cm-link", onclick: () => take("undelete", open)}, "Take it back"));
    const equal = cm.node("p", {class: "cm-quiet cm-recipe-equal", hidden: true});
    const origin = cm.node("p", {class: "cm-quiet cm-recipe-origin"});
    const copy = cm.node("button", {type: "button", class: "cm-action", onclick: async () => { saveAll(); const made = await send(open, "/copy"); if (made) { show(made.id); } }}, "Make a copy");
    const drop = cm.node("button", {type: "button", class: "cm-action", onclick: () => take("delete", open)}, "Delete");
    const body = cm.node("div", {class: "cm-own-body", hidden: true}, gone, frame, pictureRow, cm.recipeSend.node, said, equal,
        cm.node("div", {class: "cm-row"}, heart, cm.node("div", {class: "cm-grow"}, labelled("Collection", collection))), known, prompt, negative,
        part("Models", models, cm.node("div", {class: "cm-recipe-add"}, kind, modelName, cm.node("button", {type: "button", class: "cm-action", onclick: addModel}, "Add")), cm.recipeSend.models),
        part("Parameters", parameters, cm.node("div", {class: "cm-recipe-add"}, newName, newValue, cm.node("button", {type: "button", class: "cm-action", onclick: addParameter}, "Add"), names)),
        part("Tags", tags, tag), note, historyBox, earlier, origin, cm.node("div", {class: "cm-row"}, copy, drop));
    const node = cm.node("aside", {class: "cm-recipe-panel cm-own", "aria-label": "Recipe", hidden: true}, cm.node("div", {class: "cm-recipe-head"}, name, close), body);
    node.addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.defaultPrevented) { shut(); event.preventDefault(); event.stopPropagation(); } });

    async function take(verb, recipe) {
        saveAll();
        say("");
        try { await cm.post("recipes/" + verb, {ids: [recipe]}); cm.hurry(); cm.emit("recipe-" + verb, [recipe]); renew(); } catch (error) { say(cm.sentence(error)); }
    }
    function drawOrigin() {
        const source = view.source || {};
        const parts = [cm.node("span", {}, SOURCES[source.kind] || "Made by hand")];
        if (source.tool) { parts.push(" · ", cm.node("span", {translate: "no"}, source.tool)); }
        if (source.title) { parts.push(" · ", cm.node("span", {translate: "no"}, source.title)); }
        if (/^https?:\/\//.test(source.url || "")) { parts.push(" · ", cm.node("a", {href: source.url, target: "_blank", rel: "noopener noreferrer"}, "Open its page")); }
        origin.replaceChildren(...parts, " · ", cm.mixed("made {when}", {when: cm.moment(view.created)}), " · ", cm.mixed("changed {when}", {when: cm.moment(view.changed)}),
            ...(view.used ? [" · ", cm.mixed("used {when}", {when: cm.moment(view.used)})] : []));
    }
    function drawEqual() {
        const others = view.equal.filter((one) => !one.deleted);
        equal.hidden = !others.length;
        equal.replaceChildren("Equal to: ", ...others.slice(0, 5).map((one) => cm.node("button", {type: "button", class: "cm-link", translate: "no", onclick: () => show(one.id)}, one.name)));
    }
    function draw() {
        put(name, view.name);
        put(collection, view.collection);
        for (const [box, value] of [[prompt, view.prompt], [negative, view.negative], [note, view.note]]) { put(box.lastChild, value); }
        cm.attribute(heart, "aria-pressed", Boolean(view.favourite));
        if (![...level.options].some((one) => one.value === String(view.level))) { level.append(cm.node("option", {value: view.level}, cm.t("Level {level}", {level: view.level}))); }
        put(level, view.level);
        drawPicture();
        tags.replaceChildren(...view.tags.map((one) => chip(one, () => edit({remove_tags: [one]}), cm.t("Remove the tag {name}", {name: one}))));
        cm.recipeSend.draw(view);
        rows(parameters, Object.entries(view.parameters), (one) => one[0], parameterRow, (row, one) => put(row.children[1], one[1]));
        rows(models, view.models, (one) => one.id, modelRow, fillModel);
        drawHistory();
        drawEqual();
        drawOrigin();
        gone.hidden = !view.deleted;
        drop.hidden = Boolean(view.deleted);
        body.hidden = false;
    }

    let number = 0;
    async function read() {
        if (!open) { return; }
        const mine = (number += 1);
        const recipe = open;
        try {
            const answer = await cm.get("recipes/" + recipe);
            if (mine !== number || recipe !== open) { return; }
            const same = view && JSON.stringify(view) === JSON.stringify(answer);
            view = answer;
            if (!same) { draw(); }
        } catch (error) {
            if (mine !== number || !(error instanceof cm.Refusal)) { return; }
            if (error.status === 404) { shut(); cm.say(cm.sentence(error)); } else { say(cm.sentence(error)); }
        }
    }
    let planned = null;
    function renew() { clearTimeout(planned); planned = setTimeout(read, 120); }
    function show(recipe) {
        if (recipe !== open) { saveAll(); refused.clear(); open = recipe; view = null; body.hidden = true; earlier.hidden = true; historyBox.open = false; name.value = ""; say(""); cm.recipeSend.forget(); node.scrollTop = 0; }
        node.hidden = false;
        cm.remember("recipe", recipe);
        cm.emit("recipe", recipe);
        return read();
    }
    function shut() {
        const inside = node.contains(document.activeElement);
        saveAll();
        open = 0;
        view = null;
        node.hidden = true;
        if (inside) { cm.recipes.querySelector(".cm-scroll").focus(); }  // the keys stay where they were
        cm.remember("recipe", 0);
        cm.emit("recipe", 0);
    }
    cm.on("revision", renew);
    cm.on("connection", (now) => { if (now.ok) { renew(); } });
    cm.on("marks", () => { if (view) { drawPicture(); } });
    cm.on("recipe-facets", (facets) => { known.replaceChildren(...facets.collections.map((one) => cm.node("option", {value: one.name}))); });
    cm.recipeEditor = {node: node, show: show, close: shut, id: id, read: read, saveAll: saveAll, setPicture: setPicture, say: say, view: () => view, redraw: () => { if (view) { draw(); } }};
})();
