// What a person says of the chosen model, and the files of it that are here. Drawn by us, saved at once.
// A refresh never overwrites what is being typed: a field with the cursor in it, or with something unsaved, is left alone.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.own) { return; }

    const PAUSE = 700;
    let view = null;        // what the server said last
    let model = 0;
    const unsaved = new Map();  // field -> timer

    const said = cm.node("p", {class: "cm-refused", role: "status"});
    const part = (title, ...rest) => cm.node("section", {class: "cm-own-part", "aria-label": title}, cm.node("h3", {}, title), ...rest);
    async function send(path, body) {
        cm.text(said, "");
        try { const answer = await cm.post(path, body); renew(); return answer; } catch (error) { cm.text(said, cm.t("Not saved. {message}", {message: cm.sentence(error)})); return null; }
    }
    // ``id``: of the model that was shown when something was typed; the answer may come when another one is.
    const edit = (id, values, tags) => send("models/edit", Object.assign({ids: [id], set: values || {}, ticket: cm.ticket()}, tags));

    // -- marks
    const heart = cm.node("button", {type: "button", class: "cm-action cm-favourite", "aria-pressed": "false", onclick: () => { mark(!pressed()); edit(model, {favourite: pressed()}); }},
        cm.svg("svg", {viewBox: "0 0 24 24", class: "cm-svg", "aria-hidden": "true"}, cm.svg("path", {d: "M12 3l2.8 5.8 6.2.9-4.5 4.4 1.1 6.3L12 17.4l-5.6 3 1.1-6.3L3 9.7l6.2-.9z"})), cm.node("span", {}, "Favourite"));
    const pressed = () => heart.getAttribute("aria-pressed") === "true";
    const mark = (value) => cm.attribute(heart, "aria-pressed", Boolean(value));
    const choice = (label, options, save) => {
        const node = cm.node("select", {class: "cm-input", "aria-label": label}, ...options.map(([value, text]) => cm.node("option", {value: value}, text)));
        node.addEventListener("change", () => save(node.value));
        return node;
    };
    const rating = choice("Rating", [[0, "No stars"], ...[1, 2, 3, 4, 5].map((one) => [one, "★".repeat(one) + " " + cm.t("{count} of 5", {count: one})])], (value) => edit(model, {rating: Number(value)}));
    const level = choice("Mature content", [["", "As Civitai says"], [1, "PG"], [2, "PG-13"], [4, "R"], [8, "X"], [16, "XXX"]], (value) => edit(model, {own_level: value === "" ? null : Number(value)}));
    const follow = choice("Updates", [["any", "Any newer version"], ["base", "Only the same base model"], ["none", "No updates"]], (value) => edit(model, {follow: value}));
    const pinned = choice("Stay with", [["", "No version in particular"]], (value) => edit(model, {pinned: value === "" ? null : Number(value)}));

    // -- typed fields: saved after a pause, when left, and when the page goes away
    function typed(label, field, save) {
        const now = () => { const timer = unsaved.get(field); if (timer) { clearTimeout(timer.at); unsaved.delete(field); save(timer.model, field.value); } };
        field.addEventListener("input", () => {
            const before = unsaved.get(field);
            if (before) { clearTimeout(before.at); }
            const one = {model: before ? before.model : model, now: now};
            one.at = setTimeout(now, PAUSE);
            unsaved.set(field, one);
        });
        field.addEventListener("blur", now);
        return cm.node("label", {class: "cm-field"}, cm.node("span", {}, label), field);
    }
    const saveAll = () => { for (const one of [...unsaved.values()]) { one.now(); } };
    document.addEventListener("visibilitychange", () => { if (document.hidden) { saveAll(); } });
    window.addEventListener("pagehide", saveAll);
    const weight = cm.node("input", {type: "number", step: "0.05", min: -100, max: 100, class: "cm-input", placeholder: "1"});
    const negative = cm.node("textarea", {class: "cm-input cm-words", rows: 2});
    const weightField = typed("Preferred weight", weight, (id, value) => { if (value === "" || Number.isFinite(Number(value))) { edit(id, {weight: value === "" ? null : Number(value)}); } });
    const negativeField = typed("Negative words", negative, (id, value) => edit(id, {negative: value}));

    // -- tags, collections, word sets
    const tags = cm.node("div", {class: "cm-chips"});
    const known = cm.node("datalist", {id: "cm_known_tags"});
    const tag = cm.node("input", {class: "cm-input", "aria-label": "Add a tag", placeholder: "Add a tag", list: "cm_known_tags", autocomplete: "off"});
    cm.emptied(tag, (name) => edit(model, {}, {add_tags: [name]}), () => model);
    tag.addEventListener("focus", async () => { try { known.replaceChildren(...(await cm.get("tags?prefix=")).tags.slice(0, 100).map((one) => cm.node("option", {value: one.tag}))); } catch (error) { /* typing works without it */ } });
    const collections = cm.node("div", {class: "cm-in-collections"});
    const collection = cm.node("select", {class: "cm-input", "aria-label": "Add to a collection"});
    const newCollection = cm.node("input", {class: "cm-input", "aria-label": "Name of the new collection", placeholder: "Name of the new collection", hidden: true});
    collection.addEventListener("change", () => {
        newCollection.hidden = collection.value !== "new";
        if (collection.value === "new") { newCollection.focus(); } else if (collection.value) { send("collections/" + collection.value + "/add", {ids: [model]}); }
    });
    cm.onEnter(newCollection, async () => {
        const [name, id] = [newCollection.value.trim(), model];
        if (!name) { return; }
        const made = await send("collections", {name: name});
        if (made) { newCollection.value = ""; newCollection.hidden = true; await send("collections/" + made.id + "/add", {ids: [id]}); }
    });
    const files = cm.node("ul", {class: "cm-list cm-own-files"});
    // What a checkpoint here needs beside itself, and whether that is here, too.
    const advice = cm.node("ul", {class: "cm-list cm-advice", "aria-label": "Text encoders and VAEs"});
    const adviceRow = (one) => cm.node("li", {class: ["missing", "unsure"].includes(one.state) ? "cm-bad-file" : ""}, one.state === "missing" ? cm.icon("warning") : null, cm.node("span", {}, one.sentence),
        one.state !== "here" && one.here.length ? cm.node("details", {}, cm.node("summary", {}, "What there is of that kind"), cm.node("ul", {}, ...one.here.map((file) => cm.node("li", {class: "cm-path", translate: "no", title: file.path}, file.name)))) : null);
    const chip = (text, remove, label) => cm.node("span", {class: "cm-chip cm-own-chip"}, cm.node("span", {translate: "no"}, text), cm.button("cross", label, remove));
    const copy = (text, label) => cm.node("button", {type: "button", class: "cm-link", "data-cm-copy": text, title: "Copy", "aria-label": label || "Copy"}, "Copy");

    const body = cm.node("div", {class: "cm-own-body", hidden: true}, cm.node("div", {class: "cm-row"}, heart, rating), said,
        part("Your tags", tags, tag, known), part("Collections", collections, collection, newCollection),
        part("For prompts", cm.node("div", {class: "cm-pair"}, weightField), negativeField, cm.wordSets.node),
        part("Updates and content", cm.node("div", {class: "cm-pair"}, ...[["Updates", follow], ["Stay with", pinned], ["Mature content", level]].map(([text, node]) => cm.node("label", {class: "cm-field"}, cm.node("span", {}, text), node)))),
        part("Files here", files, advice));
    cm.own = cm.node("div", {class: "cm-own"}, body);

    const HEALTH = {"": "not looked at yet", whole: "whole, as far as its header tells", truncated: "Broken: truncated", verified: cm.t("verified"), wrong: "Broken: wrong bytes"};
    function fileRow(one) {
        const missing = one.state !== "here";
        const bad = missing || ["truncated", "wrong"].includes(one.health);
        return cm.node("li", {class: bad ? "cm-bad-file" : ""}, cm.node("span", {class: "cm-path", title: one.path, translate: "no"}, one.path),
            cm.node("span", {class: "cm-quiet"}, bad ? cm.icon("warning") : "", [missing ? "Missing: the file is gone" : HEALTH[one.health] || one.health, cm.size(one.size)].join(" · "), one.verified && !missing ? cm.node("span", {}, " · ", cm.mixed("read {when}", {when: cm.moment(one.verified)})) : ""),
            copy(one.path, "Copy the path"));
    }
    const free = (field) => document.activeElement !== field && !unsaved.has(field);
    const put = (field, value) => { if (free(field) && field.value !== String(value)) { field.value = String(value); } };
    function draw() {
        cm.drawUse(view);
        mark(view.favourite);
        put(rating, view.rating || 0);
        if (view.own_level !== null && ![...level.options].some((one) => one.value === String(view.own_level))) { level.append(cm.node("option", {value: view.own_level}, cm.t("Level {level}", {level: view.own_level}))); }
        put(level, view.own_level === null ? "" : view.own_level);
        put(follow, view.follow || "any");
        if (free(pinned)) { pinned.replaceChildren(pinned.options[0], ...view.versions.map((one) => cm.node("option", {value: one.id, translate: "no"}, one.name || one.id))); }
        put(pinned, view.pinned === null ? "" : view.pinned);
        put(weight, view.weight === null ? "" : view.weight);
        put(negative, view.negative);
        tags.replaceChildren(...view.own_tags.map((name) => chip(name, () => edit(model, {}, {remove_tags: [name]}), cm.t("Remove the tag {tag}", {tag: name}))));
        drawCollections();
        cm.wordSets.show(view, send);
        files.replaceChildren(...(view.files.length ? view.files.map(fileRow) : [cm.node("li", {class: "cm-quiet"}, "None.")]));
        advice.replaceChildren(...(view.advice || []).map(adviceRow));
        advice.hidden = !advice.children.length;
        body.hidden = false;
    }
    // Each with a note on why it is in there; the field of one that is being typed in stays.
    const notes = new Map();    // collection -> {node, field, put(view)}
    function drawCollections() {
        const wanted = view.collections.map((one) => {
            const key = model + ":" + one.id;
            if (!notes.has(key)) {
                const field = cm.node("input", {class: "cm-input", placeholder: "Note", autocomplete: "off", "aria-label": cm.t("Note in {name}", {name: one.name})});
                const chips = cm.node("span");
                notes.set(key, {field: field, chips: chips, node: cm.node("div", {class: "cm-in-collection"}, chips, typed("", field, (id, value) => send("collections/" + one.id + "/note", {id: id, note: value})))});
            }
            const kept = notes.get(key);
            kept.chips.replaceChildren(chip(one.name, () => send("collections/" + one.id + "/remove", {ids: [model]}), cm.t("Take out of {name}", {name: one.name})));
            put(kept.field, one.note || "");
            return kept.node;
        });
        for (const node of [...collections.children]) { if (!wanted.includes(node)) { node.remove(); } }
        wanted.forEach((node, place) => { if (collections.children[place] !== node) { collections.insertBefore(node, collections.children[place] || null); } });
        for (const [key, kept] of notes) { if (!wanted.includes(kept.node)) { notes.delete(key); } }
    }
    async function fillCollections() {
        try {
            const found = (await cm.get("facets")).collections || [];
            const mine = new Set(view ? view.collections.map((one) => one.id) : []);
            if (free(collection)) {
                collection.replaceChildren(cm.node("option", {value: ""}, "Add to a collection"), ...found.filter((one) => one.id && !mine.has(one.id)).map((one) => cm.node("option", {value: one.id, translate: "no"}, one.name)), cm.node("option", {value: "new"}, "New collection…"));
            }
        } catch (error) { /* the next change asks again */ }
    }

    let number = 0;
    async function read() {
        const id = cm.chosenModel();
        if (!id) { return; }
        if (id !== model) { saveAll(); model = id; view = null; body.hidden = true; cm.drawUse(null); cm.text(said, ""); newCollection.hidden = true; }
        const mine = (number += 1);
        try {
            const answer = await cm.get("models/" + id);
            if (mine !== number || cm.chosenModel() !== id) { return; }
            const same = view && JSON.stringify(view) === JSON.stringify(answer);
            view = answer;
            if (!same) { draw(); fillCollections(); }
        } catch (error) {
            if (mine === number && !view && error instanceof cm.Refusal) { cm.text(said, cm.sentence(error)); }
        }
    }
    let planned = null;
    function renew() { clearTimeout(planned); planned = setTimeout(read, 150); }
    cm.on("chosen", read);
    cm.on("revision", renew);
    cm.on("connection", (now) => { if (now.ok) { renew(); } });
    cm.mount("own", cm.own);
    cm.mount("use", cm.use);
})();
