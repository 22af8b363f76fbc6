// Trigger words that a person keeps as sets: copied, changed, put in another order, removed and brought back. A set is saved by itself, field by field,
// so that two browsers that are open at once lose nothing; the one that is being changed is never drawn anew.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.wordSets) { return; }

    let model = 0;
    let sets = [];
    let versions = [];
    let send = async () => null;    // (path, body) -> the answer, or null when it was refused, which is told by then
    let editing = 0;                // the set that is being changed
    let form = null;

    const list = cm.node("div", {class: "cm-word-sets", role: "list", "aria-label": "Word sets"});
    const told = cm.node("span", {class: "cm-quiet", role: "status"});
    const undo = cm.node("button", {type: "button", class: "cm-link", hidden: true}, "Undo");
    const adding = makeForm(null);
    const adder = cm.node("details", {}, cm.node("summary", {}, "Add a word set"), adding.node);
    const node = cm.node("div", {class: "cm-word-box"}, list, cm.node("div", {class: "cm-row"}, told, undo), adder);
    let back = null;
    undo.addEventListener("click", () => { if (back) { back(); } });
    function say(words, way) { cm.text(told, words); back = way || null; undo.hidden = !way; }

    // The fields of one set; ``set``: null for a new one.
    function makeForm(set) {
        const name = cm.node("input", {class: "cm-input", "aria-label": "Name of the word set", placeholder: "Name, such as: portrait", maxlength: 200});
        const words = cm.node("textarea", {class: "cm-input cm-words", rows: 2, "aria-label": "Words of the set", placeholder: "Words, with commas between"});
        const negative = cm.node("textarea", {class: "cm-input cm-words", rows: 1, "aria-label": "Negative prompt of the set", placeholder: "Negative words"});
        const weight = cm.node("input", {type: "number", step: "0.05", min: -100, max: 100, class: "cm-input", "aria-label": "Weight of the set", placeholder: "Weight"});
        const of = cm.node("select", {class: "cm-input", "aria-label": "Version that the set is for"});
        const from = cm.node("select", {class: "cm-input", "aria-label": "Take the words of a version", onchange: () => {
            const found = versions.find((one) => String(one.id) === from.value);
            if (found) { words.value = [words.value.trim(), (found.trained_words || []).join(", ")].filter(Boolean).join(", "); of.value = from.value; }
            from.value = "";
            words.focus();
        }});
        const keep = cm.node("button", {type: "button", class: "cm-action", onclick: () => save(set, made)}, set ? "Save" : "Keep as a set");
        const cancel = set ? cm.node("button", {type: "button", class: "cm-action", onclick: () => stop(set.id)}, "Cancel") : null;
        const made = {name, words, negative, weight, of, from};
        // no form: the panel shows strangers' HTML, and that there is no form in it can be tested
        made.node = cm.node("div", {class: "cm-set-form", role: "group", "aria-label": set ? "Change the set" : "New set"}, name, from, words, negative,
            cm.node("div", {class: "cm-pair"}, weight, of), cm.node("div", {class: "cm-pop-row"}, keep, cancel));
        for (const field of [name, weight]) { cm.onEnter(field, () => save(set, made)); }
        made.node.addEventListener("keydown", (event) => { if (event.key === "Escape" && set) { event.stopPropagation(); event.preventDefault(); stop(set.id); } });
        return made;
    }
    const fields = (one) => ({name: one.name, words: one.words, negative: one.negative, weight: one.weight, version_id: one.version_id});
    function typed(made) {
        const weight = made.weight.value === "" ? null : Number(made.weight.value);
        return {name: made.name.value.trim(), words: made.words.value.trim(), negative: made.negative.value.trim(), weight: weight, version_id: made.of.value === "" ? null : Number(made.of.value)};
    }
    function fill(made, one) {
        fillVersions(made, one.version_id);
        [made.name.value, made.words.value, made.negative.value] = [one.name, one.words, one.negative];
        made.weight.value = one.weight === null ? "" : String(one.weight);
        made.of.value = one.version_id === null ? "" : String(one.version_id);
    }
    function fillVersions(made, chosen) {
        const option = (one) => cm.node("option", {value: one.id, translate: "no"}, one.name || one.id);
        const now = chosen === undefined ? made.of.value : chosen === null ? "" : String(chosen);
        const gone = now && !versions.some((one) => String(one.id) === now) ? [{id: now, name: ""}] : [];
        made.of.replaceChildren(cm.node("option", {value: ""}, "For every version"), ...[...versions, ...gone].map(option));
        made.of.value = now;
        const some = versions.filter((one) => (one.trained_words || []).length);
        made.from.replaceChildren(cm.node("option", {value: ""}, "Take the words of a version…"), ...some.map(option));
        made.from.hidden = !some.length;
    }

    // -- what is done with a set
    async function save(set, made) {
        const now = typed(made);
        if (!now.words && !now.negative) { made.words.focus(); return; }
        if (!set) {
            if (await send("models/" + model + "/words", now)) { fill(made, {name: "", words: "", negative: "", weight: null, version_id: null}); say("Kept."); }
            return;
        }
        // only what was changed here: the rest may have been changed elsewhere meanwhile
        const changed = Object.fromEntries(Object.entries(now).filter(([field, value]) => value !== set[field]));
        if (Object.keys(changed).length && !(await send("words/" + set.id, changed))) { return; }
        stop(set.id);
        say("Saved.");
    }
    function edit(one) {
        editing = one.id;
        form = makeForm(one);
        fill(form, one);
        draw();
        form.words.focus();
    }
    function stop(id) {
        if (editing !== id) { return; }
        editing = 0;
        form = null;
        draw();
        focus(id, "edit");
    }
    async function move(place, by) {
        const one = sets[place];
        const before = sets[by < 0 ? place - 1 : place + 2];
        if (!(await send("words/" + one.id + "/move", {before: before ? before.id : null}))) { return; }
        sets.splice(place + by, 0, ...sets.splice(place, 1));
        draw();
        focus(one.id, by < 0 ? "up" : "down");
    }
    async function remove(place) {
        const [one, next, mine] = [sets[place], sets[place + 1], model];
        if (!(await send("words/" + one.id + "/delete", {}))) { return; }
        sets.splice(place, 1);
        draw();
        say(cm.t("Removed: {name}", {name: one.name || one.words || one.negative}), async () => {
            const made = await send("models/" + mine + "/words", fields(one));
            if (made && next) { await send("words/" + made.id + "/move", {before: next.id}); }
            if (made) { say(""); }
        });
        undo.focus();
    }

    async function toPrompt(one) {
        const target = cm.host.targets[0];
        try {
            if (one.words) { await cm.host.insert(target, one.words); }
            if (one.negative) { await cm.host.insert(target, one.negative, {negative: true}); }
            say(cm.t("Added to {tab}.", {tab: target}));
        } catch (error) { say(error instanceof Error ? error.message : String(error)); }
    }

    // -- drawing
    const act = (icon, label, what, action, disabled) => cm.button(icon, label, action, {"data-cm-act": what, disabled: disabled});
    function row(one, place) {
        if (one.id === editing) { return cm.node("div", {class: "cm-word-set cm-open", role: "listitem", "data-set": one.id}, form.node); }
        const called = one.name || cm.t("Words");
        const of = versions.find((version) => version.id === one.version_id);
        const more = [one.weight === null ? "" : cm.t("weight {weight}", {weight: String(one.weight)})].filter(Boolean).join(" · ");
        const copy = (text, label) => cm.node("button", {type: "button", class: "cm-link", "data-cm-copy": text, title: "Copy", "aria-label": label}, "Copy");
        return cm.node("div", {class: "cm-word-set", role: "listitem", "data-set": one.id},
            cm.node("div", {class: "cm-word-top"}, cm.node("b", {translate: one.name ? "no" : null}, called), of ? cm.node("span", {class: "cm-quiet", translate: "no"}, of.name) : null, more ? cm.node("span", {class: "cm-quiet"}, more) : null),
            one.words ? cm.node("p", {class: "cm-word-text"}, cm.node("span", {translate: "no"}, one.words), " ", copy(one.words, cm.t("Copy the words of {name}", {name: called}))) : null,
            one.negative ? cm.node("p", {class: "cm-word-text"}, cm.node("span", {class: "cm-quiet"}, "Negative:"), " ", cm.node("span", {translate: "no"}, one.negative), " ", copy(one.negative, cm.t("Copy the negative words of {name}", {name: called}))) : null,
            cm.node("div", {class: "cm-word-acts"}, cm.host && cm.host.targets.length ? cm.node("button", {type: "button", class: "cm-link", onclick: () => toPrompt(one)}, "Add to the prompt") : null,
                act("pencil", cm.t("Change {name}", {name: called}), "edit", () => edit(one)), act("up", cm.t("Move {name} up", {name: called}), "up", () => move(place, -1), place === 0),
                act("down", cm.t("Move {name} down", {name: called}), "down", () => move(place, 1), place === sets.length - 1), act("trash", cm.t("Remove {name}", {name: called}), "remove", () => remove(place))));
    }
    function focus(id, what) {
        const buttons = [...list.querySelectorAll('[data-set="' + id + '"] [data-cm-act]')];
        const free = (name) => buttons.find((one) => one.dataset.cmAct === name && !one.disabled);
        const wanted = free(what) || free({up: "down", down: "up"}[what]) || buttons.find((one) => !one.disabled);
        if (wanted) { wanted.focus(); }
    }
    function draw() {
        const at = document.activeElement;
        const kept = at && list.contains(at) && at.dataset.cmAct ? [at.closest("[data-set]").dataset.set, at.dataset.cmAct] : null;
        if (form && form.node.contains(at)) { drawAround(); return; }
        list.replaceChildren(...sets.map(row));
        list.hidden = !sets.length;
        if (kept) { focus(...kept); }
    }
    // A field that has the cursor stays in the page: moving it would take the cursor out of it.
    function drawAround() {
        const open = form.node.closest("[data-set]");
        if (!open) { list.replaceChildren(...sets.map(row)); form.words.focus(); return; }
        const place = sets.findIndex((one) => one.id === editing);
        for (const child of [...list.children]) { if (child !== open) { child.remove(); } }
        sets.forEach((one, index) => { if (index < place) { open.before(row(one, index)); } else if (index > place) { list.append(row(one, index)); } });
    }

    cm.wordSets = {
        node: node,
        // ``view``: the model as GET models/ID tells it; ``how``: sends what is done.
        show: function (view, how) {
            if (view.id !== model) { [model, editing, form] = [view.id, 0, null]; adder.open = false; fill(adding, {name: "", words: "", negative: "", weight: null, version_id: null}); say(""); }
            [sets, versions, send] = [view.word_sets.slice(), view.versions, how];
            if (editing && !sets.some((one) => one.id === editing)) {
                say(cm.t("This set was removed elsewhere. What you typed: {words}", {words: form.words.value}), null);
                [editing, form] = [0, null];
            }
            fillVersions(adding);
            draw();
        },
    };
})();
