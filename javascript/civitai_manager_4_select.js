// The selection and its bar: what many models are done with at once. Files are moved and deleted only by a plan that was looked at.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.select) { return; }

    const WINDOW = 500;     // cards that are asked for at once
    const LISTED = 300;     // files that a plan lists one by one
    const PATIENT = 60000;  // a plan looks at every file on the disk
    const before = cm.recall("selection", {});
    // Bytes by id; null where only the sum is known, which is in ``rest``.
    const ids = new Map(Array.isArray(before.ids) ? before.ids.filter((one) => Array.isArray(one)) : []);
    let rest = Number(before.rest) || 0;
    let key = before.key || "";     // the filters whose matches were all selected, as long as that is so
    let generation = 0;

    const models = (number) => cm.tn(number, "{count} model", "{count} models");
    const bytes = () => { let sum = rest; for (const size of ids.values()) { sum += size || 0; } return sum; };
    const chosen = () => [...ids.keys()];

    function changed() {
        cm.remember("selection", {ids: [...ids], rest: rest, key: key});
        draw();
        cm.grid.draw();
    }
    function remove(item) {
        if (ids.get(item.id) === null) { rest = Math.max(0, rest - (item.size || 0)); }
        ids.delete(item.id);
        key = "";
    }
    // Sizes change: files come and go.
    function measure(items) {
        let any = false;
        for (const item of items) {
            if (typeof ids.get(item.id) === "number" && ids.get(item.id) !== (item.size || 0)) { ids.set(item.id, item.size || 0); any = true; }
        }
        if (any) { changed(); }
    }
    async function measureAll() {
        if (!key || !ids.size) { return; }
        const mine = generation;
        try {
            const answer = await cm.get("ids?" + key, undefined, PATIENT);
            if (mine === generation && answer.count === ids.size && answer.ids.every((id) => ids.has(id)) && answer.bytes !== rest) { rest = answer.bytes; changed(); }
        } catch (error) { /* the next change asks again */ }
    }
    cm.on("page", measure);
    cm.on("revision", measureAll);
    cm.select = {
        has: (id) => ids.has(id),
        count: () => ids.size,
        ids: chosen,
        toggle: function (item) {
            generation += 1;
            if (ids.has(item.id)) { remove(item); } else { ids.set(item.id, item.size || 0); key = ""; }
            changed();
        },
        clear: function () { generation += 1; ids.clear(); rest = 0; key = ""; changed(); },
        // All from one place of the grid to another, also those that are not in the page.
        range: async function (from, to) {
            const mine = generation += 1;
            const found = [];
            for (let index = from; index <= to; index += 1) { const item = cm.grid.card(index); if (item) { found.push(item); } else { break; } }
            try {
                for (let offset = from + found.length; offset <= to; offset += WINDOW) {
                    const answer = await cm.get("cards?" + cm.grid.data.key + "&offset=" + offset + "&limit=" + Math.min(WINDOW, to - offset + 1));
                    found.push(...answer.items);
                }
            } catch (error) { cm.say(cm.sentence(error)); return; }
            if (mine !== generation) { return; }
            for (const item of found) { if (!ids.has(item.id)) { ids.set(item.id, item.size || 0); key = ""; } }
            changed();
        },
        // Everything that the filters leave, whether it is in the page or not.
        all: async function () {
            const mine = generation += 1;
            const wanted = cm.grid.data.key;
            try {
                const answer = await cm.get("ids?" + wanted, undefined, PATIENT);
                if (mine !== generation) { return; }
                ids.clear();
                for (const id of answer.ids) { ids.set(id, null); }
                rest = answer.bytes;
                key = wanted;
                changed();
            } catch (error) { cm.say(cm.sentence(error)); }
        },
    };

    // -- the bar
    const told = cm.node("span", {class: "cm-select-count", role: "status"});
    const all = cm.node("button", {type: "button", class: "cm-link", onclick: () => cm.select.all()}, "Select all");
    const tool = (icon, text, label, action, extra) => { const made = cm.button(icon, label, action, Object.assign({class: "cm-action cm-with-text"}, extra || {})); made.append(cm.node("span", {}, text)); return made; };

    // -- tags
    const tag = cm.node("input", {class: "cm-input", "aria-label": "Tag", placeholder: "Tag", maxlength: 100, list: "cm_tag_list", autocomplete: "off"});
    const tagList = cm.node("datalist", {id: "cm_tag_list"});
    const tagForm = cm.node("form", {class: "cm-pop-stack", onsubmit: (event) => { event.preventDefault(); tagging(true); }}, tag, tagList,
        cm.node("div", {class: "cm-pop-row"}, cm.node("button", {type: "submit", class: "cm-action"}, "Add"), cm.node("button", {type: "button", class: "cm-action", onclick: () => tagging(false)}, "Remove")));
    let asking = 0;
    async function complete() {
        const mine = asking += 1;
        try {
            const answer = await cm.get("tags?prefix=" + encodeURIComponent(tag.value.trim()));
            if (mine === asking) { tagList.replaceChildren(...answer.tags.map((one) => cm.node("option", {value: one.tag}, models(one.count)))); }
        } catch (error) { /* without a completion one types it whole */ }
    }
    let typing = null;
    tag.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(complete, 150); });
    const tagBox = cm.popover("tag", "Tags of the selected models", tagForm, () => { tag.focus(); complete(); }, "Tags");
    async function tagging(adding) {
        const word = tag.value.trim().replace(/^#/, "");
        if (!word) { tag.focus(); return; }
        const number = ids.size;
        const change = adding ? {add_tags: [word]} : {remove_tags: [word]};
        if (await send("models/edit", Object.assign({ids: chosen()}, change), () => adding ?
            cm.tn(number, "#{tag} added to {count} model.", "#{tag} added to {count} models.", {tag: word}) : cm.tn(number, "#{tag} removed from {count} model.", "#{tag} removed from {count} models.", {tag: word}))) { tag.value = ""; tagBox.close(); }
    }

    // -- collections
    const which = cm.node("select", {class: "cm-input", "aria-label": "Collection"});
    const title = cm.node("input", {class: "cm-input", "aria-label": "Name of the new collection", placeholder: "Name of the new collection", maxlength: 100, hidden: true});
    const takeOut = cm.node("button", {type: "button", class: "cm-action", onclick: () => collecting(false)}, "Remove");
    const collectForm = cm.node("form", {class: "cm-pop-stack", onsubmit: (event) => { event.preventDefault(); collecting(true); }}, which, title,
        cm.node("div", {class: "cm-pop-row"}, cm.node("button", {type: "submit", class: "cm-action"}, "Add"), takeOut));
    const collectBox = cm.popover("box", "Collections of the selected models", collectForm, () => { drawCollections(); (title.hidden ? which : title).focus(); }, "Collect");
    which.addEventListener("change", shape);
    function shape() { title.hidden = which.value !== ""; takeOut.hidden = which.value === ""; if (!title.hidden) { title.focus(); } }
    cm.select.collectForm = collectForm;  // its order is changed there, too
    function drawCollections() {
        const now = which.value;
        which.replaceChildren(...cm.search.known().collections.map((one) => cm.node("option", {value: one.id, translate: "no"}, one.name)), cm.node("option", {value: ""}, "New collection…"));
        if (now && [...which.options].some((one) => one.value === now)) { which.value = now; } else { which.selectedIndex = 0; }
        shape();
    }
    async function collecting(adding) {
        const some = chosen();
        let id = which.value;
        let name = which.selectedOptions.length ? which.selectedOptions[0].textContent : "";
        if (!id) {
            name = title.value.trim();
            if (!name) { title.focus(); return; }
            const made = await send("collections", {name: name});
            if (!made) { return; }
            id = made.id;
            title.value = "";
        }
        const done = await send("collections/" + id + (adding ? "/add" : "/remove"), {ids: some}, () => adding ?
            cm.tn(some.length, "{count} model in “{name}”.", "{count} models in “{name}”.", {name: name}) :
            cm.tn(some.length, "{count} model taken out of “{name}”.", "{count} models taken out of “{name}”.", {name: name}));
        if (done) { collectBox.close(); }
    }

    // -- what needs no plan. The ticket lets it be sent again, also by the page's next life, without being done twice.
    async function send(path, body, words) {
        try {
            const answer = await cm.post(path, path === "models/edit" ? Object.assign({ticket: cm.ticket()}, body) : body);
            if (words) { tell(answer.job ? "Being done, see below." : words(answer)); }
            cm.grid.renew();
            return answer;
        } catch (error) {
            cm.say(cm.sentence(error));
            return null;
        }
    }
    const favourite = (value) => { const number = ids.size; send("models/edit", {ids: chosen(), set: {favourite: value}}, () => value ?
        cm.tn(number, "{count} model marked as favourite.", "{count} models marked as favourite.") :
        cm.tn(number, "{count} model no longer marked as favourite.", "{count} models no longer marked as favourite.")); };
    async function start(path, words) {
        try { await cm.post(path, {ids: chosen(), ticket: cm.ticket()}); tell(words); } catch (error) { cm.say(cm.sentence(error)); }
        cm.hurry();
    }

    async function refresh() {
        const known = chosen().filter((id) => id > 0);
        if (!known.length) { tell("Civitai knows none of them."); return; }
        try { await cm.post("register", {text: known.join("\n"), ticket: cm.ticket()}); tell(cm.tn(known.length, "Asking Civitai about {count} model.", "Asking Civitai about {count} models.")); } catch (error) { cm.say(cm.sentence(error)); }
        cm.hurry();
    }
    async function exportSome() {
        const some = chosen();
        try {
            const answer = await cm.post("export", {ids: some, ticket: cm.ticket()});
            tell(cm.tn(some.length, "Exporting {count} model.", "Exporting {count} models."));
            follow(answer.job, "export");
        } catch (error) { cm.say(cm.sentence(error)); }
        cm.hurry();
    }

    const rests = cm.node("div", {class: "cm-pop-list cm-menu"},
        cm.node("button", {type: "button", class: "cm-link", onclick: () => { more.close(); favourite(false); }}, "Not a favourite any more"),
        cm.node("button", {type: "button", class: "cm-link", onclick: () => { more.close(); start("updates/check", "Looking for updates."); }}, "Check for updates"),
        cm.node("button", {type: "button", class: "cm-link", onclick: () => { more.close(); refresh(); }}, "Refresh from Civitai"),
        cm.node("button", {type: "button", class: "cm-link", onclick: () => { more.close(); start("verify", "Reading the files and comparing their hashes."); }}, "Verify files"),
        cm.node("button", {type: "button", class: "cm-link", onclick: () => { more.close(); exportSome(); }}, "Export…"),
        cm.node("button", {type: "button", class: "cm-link", onclick: () => { more.close(); plan("move"); }}, "Move to where the template says…"));
    const more = cm.popover("down", "More for the selected models", rests, () => rests.firstChild.focus(), "More");
    const bar = cm.node("div", {class: "cm-select", role: "toolbar", "aria-label": "Selected models", hidden: true}, told, all,
        cm.node("span", {class: "cm-select-tools"}, tool("star", "Favourite", "Mark as favourite", () => favourite(true)), tagBox, collectBox, more,
            tool("trash", "Delete…", "Delete the files of the selected models", () => plan("delete"))),
        cm.button("cross", "Select nothing (Esc)", () => { cm.select.clear(); cm.grid.focus(); }, {class: "cm-icon cm-select-none"}));

    // -- what was done, with the way back
    const line = cm.node("span");
    const undo = cm.node("button", {type: "button", class: "cm-action", hidden: true}, "Undo");
    const save = cm.node("a", {class: "cm-action cm-link-button", hidden: true, download: ""}, "Save the file");
    const done = cm.node("div", {class: "cm-undo-line", role: "status", hidden: true}, line, undo, save, cm.button("cross", "Put this line away", () => tell("")));
    let doneTimer = null;
    let back = cm.recall("undo", null);     // {job, words, file}: what can be taken back, or (``file``) saved; survives a reload
    function tell(words, batch, file) {
        clearTimeout(doneTimer);
        cm.text(line, words);
        undo.hidden = !batch || Boolean(file);
        save.hidden = !batch || !file;
        if (file) { save.href = cm.base() + "exports/" + encodeURIComponent(batch); }
        done.hidden = !words;
        back = batch ? {job: batch, words: words, file: Boolean(file)} : null;
        cm.remember("undo", back);
        if (words && !batch) { doneTimer = setTimeout(() => tell(""), 8000); }
    }
    undo.addEventListener("click", async () => {
        const batch = back && back.job;
        undo.disabled = true;
        try { follow((await cm.post("undo", {batch: batch, ticket: cm.ticket()})).job, "undo"); tell("Being taken back."); } catch (error) { cm.say(cm.sentence(error)); } finally { undo.disabled = false; }
        cm.hurry();
    });

    // Jobs that were started here: what they did is told when they have ended, also after a reload.
    const mine = cm.recall("organising", {});
    function follow(job, what) { mine[job] = what; cm.remember("organising", mine); look(); }
    function look() {
        for (const [id, what] of Object.entries(mine)) {
            const job = cm.jobs.get(id);
            if (!job || !job.finished) { continue; }
            delete mine[id];
            cm.remember("organising", mine);
            const result = Object.assign({files: 0}, (job.error && job.error.files !== undefined ? job.error : null), job.result);
            if (what === "export") {
                if (job.state === "done") { tell(cm.tn(result.models, "{count} model exported.", "{count} models exported."), id, true); } else { tell(""); }
                continue;
            }
            if (what === "undo") { if (job.state === "done") { tell(cm.tn(result.files, "{count} file put back.", "{count} files put back.")); } else { tell(""); } }
            else if (result.files) { tell(what === "delete" ?
                cm.tn(result.files, "{count} file moved to the trash.", "{count} files moved to the trash.") : cm.tn(result.files, "{count} file moved.", "{count} files moved."), id); }
            else { tell(""); }
            cm.grid.renew();
        }
    }
    cm.on("jobs", look);

    // -- plans: every file, from where to where, and a button that says what it will do
    const heading = cm.node("h3", {id: "cm_agree_title"});
    const body = cm.node("div", {class: "cm-agree-body", tabindex: "0"});
    const go = cm.node("button", {type: "button", class: "cm-action cm-primary"});
    const dialog = cm.node("dialog", {class: "cm-agree", "aria-labelledby": "cm_agree_title"}, heading, body,
        cm.node("div", {class: "cm-pop-row cm-agree-buttons"}, cm.node("button", {type: "button", class: "cm-action", onclick: () => dialog.close()}, "Cancel"), go));
    dialog.addEventListener("close", () => cm.grid.focus());
    dialog.addEventListener("keydown", (event) => event.stopPropagation());  // Esc closes this, not the panel behind it
    dialog.addEventListener("click", (event) => { if (event.target === dialog) { dialog.close(); } });
    let planning = 0;
    async function plan(what) {
        const mine = planning += 1;
        cm.text(heading, what === "move" ? "Where the files would go" : "What would be deleted");
        body.replaceChildren(cm.node("p", {class: "cm-quiet"}, "Looking at the files…"));
        go.hidden = true;
        if (!dialog.open) { dialog.showModal(); }
        try {
            // Only a question: it is not kept for later.
            const told = await cm.postOnce("plans/" + what, {ids: chosen()});
            if (mine === planning && dialog.open) { drawPlan(what, told); }
        } catch (error) {
            if (mine === planning) { body.replaceChildren(cm.node("p", {class: "cm-warning"}, cm.sentence(error))); }
        }
    }
    const folder = (path) => path.replace(/[\\/][^\\/]*$/, "");
    const nameOf = (path) => path.slice(folder(path).length).replace(/^[\\/]/, "");
    function drawPlan(what, told) {
        const good = told.groups.filter((group) => !group.problem);
        const parts = [];
        let listed = 0;
        const rows = cm.node("ul", {class: "cm-agree-list"});
        for (const group of good) {
            if (listed >= LISTED) { break; }
            const first = group.files[0];
            rows.append(cm.node("li", {}, cm.node("b", {translate: "no"}, group.name), " ", cm.node("span", {class: "cm-quiet"}, cm.size(group.bytes)),
                cm.node("ul", {}, ...group.files.map((one) => cm.node("li", {class: "cm-agree-path"}, cm.node("span", {translate: "no"}, one.from), " ", cm.node("span", {class: "cm-quiet"}, cm.size(one.size)))),
                    what === "move" && first ? cm.node("li", {class: "cm-agree-path cm-to", translate: "no"}, cm.icon("right"), folder(first.to)) : null)));
            listed += group.files.length;
        }
        if (good.length) { parts.push(rows); }
        if (told.files > listed) { parts.push(cm.node("p", {class: "cm-quiet"}, cm.tn(told.files - listed,
            "And {count} file more of the same kind, in the same plan.", "And {count} files more of the same kind, in the same plan."))); }
        const problems = told.groups.filter((group) => group.problem);
        if (problems.length) {
            parts.push(cm.node("h4", {}, "Left as they are"), cm.node("ul", {class: "cm-agree-list"},
                ...problems.slice(0, LISTED).map((group) => cm.node("li", {}, cm.node("b", {translate: "no"}, group.name), cm.node("span", {}, " " + group.problem)))));
        }
        if (told.left.length) {
            parts.push(cm.node("h4", {}, "Not part of it"), cm.node("ul", {class: "cm-agree-list"},
                ...told.left.slice(0, LISTED).map((one) => cm.node("li", {}, cm.node("b", {translate: "no"}, nameOf(one.path)), cm.node("span", {}, " " + one.reason)))));
        }
        if (!good.length && !problems.length) { parts.unshift(cm.node("p", {}, what === "move" ? "All of them are already where the template says." : "None of these models has a file here.")); }
        if (good.length && what === "delete") { parts.push(cm.node("p", {class: "cm-quiet"}, "The models stay in the library, with your notes and tags. This can be undone.")); }
        body.replaceChildren(...parts);
        cm.text(go, what === "move" ? cm.tn(told.files, "Move {count} file ({size})", "Move {count} files ({size})", {size: cm.size(told.bytes)}) :
            cm.tn(told.files, "Move {count} file ({size}) to the trash", "Move {count} files ({size}) to the trash", {size: cm.size(told.bytes)}));
        go.hidden = !good.length;
        go.disabled = false;
        go.onclick = () => carryOut(what, {action: told.action, request: told.request, groups: good.map((group) => ({key: group.key, check: group.check, name: group.name}))});
        if (!go.hidden) { go.focus(); }
    }
    async function carryOut(what, agreed) {
        go.disabled = true;
        try {
            const sent = cm.post("organise", Object.assign({ticket: cm.ticket()}, agreed));
            dialog.close();  // what was agreed to is kept by the outbox when nobody answers
            tell(what === "move" ? "Being moved." : "Being moved to the trash.");
            follow((await sent).job, what);
        } catch (error) {
            tell("");
            cm.say(cm.sentence(error));
        }
        cm.hurry();
    }

    function draw() {
        const [number, total] = [ids.size, cm.grid.data.total];
        bar.hidden = !number;
        cm.grid.node.classList.toggle("cm-selecting", number > 0);
        const sum = bytes();
        cm.text(told, number ? cm.t("{count} selected", {count: number}) + (sum ? " · " + cm.size(sum) : "") : "");
        all.hidden = total === null || number >= total;
        cm.text(all, cm.t("Select all {count}", {count: total || 0}));
    }
    cm.grid.foot.append(done, bar, dialog);
    cm.on("facets", () => { draw(); if (!collectForm.closest("[hidden]")) { drawCollections(); } });
    cm.on("filters", draw);
    if (back) { tell(back.words, back.job, back.file); }
    draw();
})();
