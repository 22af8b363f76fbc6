// The updates view: ask Civitai for newer versions, see what is new, choose, and fetch it. Nothing is fetched that nobody has chosen.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.updates) { return; }

    const PAGE = 100;
    let shown = false;
    let busy = false;
    let total = 0;
    let items = [];
    const chosen = new Set();

    const told = cm.node("p", {class: "cm-refused", role: "status"});
    const check = cm.node("button", {type: "button", class: "cm-action", onclick: () => cm.press(check, told, () => cm.post("updates/check", {ticket: cm.ticket()}))}, "Check for updates");
    const asked = cm.node("span", {class: "cm-quiet"});
    const all = cm.node("input", {type: "checkbox", "aria-label": "Choose all that can be updated", onchange: () => {
        for (const item of items) { if (item.newest) { if (all.checked) { chosen.add(item.model_id); } else { chosen.delete(item.model_id); } } }
        draw();
    }});
    const trust = cm.node("input", {type: "checkbox"});
    const go = cm.node("button", {type: "button", class: "cm-action cm-primary", onclick: () => update(go, [...chosen])}, "Update now");
    const list = cm.node("ul", {class: "cm-list cm-offers"});
    const more = cm.node("button", {type: "button", class: "cm-action", hidden: true, onclick: () => read(items.length)}, "Show more");
    const nothing = cm.node("p", {class: "cm-quiet", hidden: true});
    const bar = cm.node("div", {class: "cm-row"}, cm.node("label", {class: "cm-choice-all"}, all, "All"), go, cm.node("label", {title: "Pickle files can run programs when they are loaded"}, trust, " I trust their creators: also files that can run programs"));
    cm.updates = cm.node("div", {class: "cm-updates cm-page-view"}, cm.node("section", {class: "cm-part", "aria-label": "Updates"}, cm.node("h3", {}, "Updates"),
        cm.node("p", {class: "cm-quiet"}, "One question to Civitai answers for a hundred models. An update fetches and verifies the new file first; only then the old one is kept or goes to the trash, as the settings say."),
        cm.node("div", {class: "cm-row"}, check, asked), told, cm.jobLine(["updates"], renew), cm.jobLine(["update"], renew), bar, nothing, list, more));

    cm.updateModels = (button, ids, confirmed) => cm.press(button, null, () => cm.post("updates", {ids: ids, confirmed: Boolean(confirmed), ticket: cm.ticket()}));
    async function update(button, ids) {
        const answer = await cm.press(button, told, () => cm.post("updates", {ids: ids, confirmed: trust.checked, ticket: cm.ticket()}));
        if (answer) { for (const id of ids) { chosen.delete(id); } }
        draw();
    }

    const FOLLOW = [["any", "Any newer version"], ["base", "Only the same base model"], ["none", "No updates"]];
    function edit(ids, values) { return cm.post("models/edit", {ids: ids, set: values, ticket: cm.ticket()}).then(renew, (error) => cm.text(told, cm.sentence(error))); }
    function row(item) {
        const offered = item.newest || item.early;
        const box = cm.node("input", {type: "checkbox", "aria-label": cm.t("Update {name}", {name: item.name}), disabled: !item.newest, onchange: () => {
            if (box.checked) { chosen.add(item.model_id); } else { chosen.delete(item.model_id); }
            drawBar();
        }});
        box.checked = chosen.has(item.model_id);
        const follow = cm.node("select", {class: "cm-input", "aria-label": cm.t("Which updates of {name} to follow", {name: item.name})},
            ...FOLLOW.map(([value, text]) => cm.node("option", {value: value}, text)));
        follow.value = item.follow;
        follow.addEventListener("change", () => edit([item.model_id], {follow: follow.value}));
        const ignore = cm.node("button", {type: "button", class: "cm-link", onclick: () => cm.press(ignore, told, () => cm.post("models/" + item.model_id + "/ignore", {versions: [offered.version_id]})).then(renew)}, "Ignore this version");
        const pin = item.here.version_id ? cm.node("button", {type: "button", class: "cm-link", title: "Stay with the version that is here", onclick: () => edit([item.model_id], {pinned: item.here.version_id})}, item.here.name ? cm.t("Stay with {name}", {name: item.here.name}) : cm.t("Stay with this one")) : null;
        const version = (one, name, early) => one ? cm.node("div", {class: "cm-offer-version"}, cm.node("b", {}, cm.t(name, {name: one.name || one.version_id})),
            cm.node("span", {}, [one.base_model, one.size ? cm.size(one.size) : cm.t("size unknown")].filter(Boolean).join(" · ")), one.published ? cm.mixed("published {when}", {when: cm.moment(one.published)}) : null,
            early ? cm.node("span", {class: "cm-early"}, cm.icon("warning"), Date.parse(one.early_access) ? cm.mixed("early access, free {when}", {when: cm.moment(one.early_access)}) : cm.t("permanent early access")) : null) : null;
        const notes = offered.notes ? cm.node("details", {}, cm.node("summary", {}, "What is new"), cm.node("p", {class: "cm-notes", translate: "no"}, offered.notes)) : null;
        return cm.node("li", {class: "cm-offer", "data-model": item.model_id}, cm.node("label", {class: "cm-offer-box"}, box),
            cm.node("div", {class: "cm-offer-body"}, cm.node("div", {class: "cm-offer-top"}, cm.node("button", {type: "button", class: "cm-link cm-offer-name", translate: "no", onclick: () => cm.choose(item.model_id)}, item.name),
                cm.node("span", {class: "cm-quiet"}, [item.type, item.creator ? cm.t("by {creator}", {creator: item.creator}) : "", item.here.name ? cm.t("here: {name}", {name: item.here.name}) : cm.t("here: an older version")].filter(Boolean).join(" · "))),
            version(item.newest, "Newer: {name}", false), version(item.early, "Later: {name}", true), notes, cm.node("div", {class: "cm-offer-acts"}, follow, ignore, pin)));
    }
    function drawBar() {
        const size = items.reduce((sum, item) => sum + (chosen.has(item.model_id) && item.newest && item.newest.size || 0), 0);
        cm.text(go, !chosen.size ? cm.t("Update now") : size ? cm.tn(chosen.size, "Update {count} model ({size})", "Update {count} models ({size})", {size: cm.size(size)}) :
            cm.tn(chosen.size, "Update {count} model", "Update {count} models"));
        go.disabled = !chosen.size;
        const can = items.filter((item) => item.newest);
        all.checked = can.length > 0 && can.every((item) => chosen.has(item.model_id));
        bar.hidden = !items.length;
    }
    function draw() {
        list.replaceChildren(...items.map(row));
        more.hidden = items.length >= total;
        cm.text(more, cm.t("Show more of {count}", {count: total}));
        drawBar();
    }

    async function read(from) {
        if (busy || !shown) { return; }
        busy = true;
        try {
            const answer = await cm.get("updates?offset=" + (from || 0) + "&limit=" + (from ? PAGE : Math.min(500, Math.max(PAGE, items.length))));
            // what is typed or opened in the list is not thrown away for an equal answer
            const next = from ? [...items, ...answer.items] : answer.items;
            const same = JSON.stringify(next) === JSON.stringify(items);
            [items, total] = [next, answer.total];
            for (const id of [...chosen]) { if (!items.some((item) => item.model_id === id && item.newest)) { chosen.delete(id); } }
            const {newest, never} = answer.asked;
            asked.replaceChildren(...(newest ? [cm.mixed("Last checked {when}", {when: cm.moment(newest)}), never ? "; " + cm.tn(never, "{count} model never", "{count} models never") : ""] : [cm.t("Not checked yet")]));
            cm.text(nothing, newest ? "Everything here is the newest, as far as Civitai was asked." : "Check once, and what is newer is listed here.");
            nothing.hidden = total > 0;
            if (!same || !total) { draw(); }
        } catch (error) {
            cm.text(nothing, (items.length ? cm.t("This list is from before.") + " " : "") + cm.sentence(error));
            nothing.hidden = false;
            if (!items.length) { drawBar(); }
        } finally {
            busy = false;
        }
    }
    let planned = null;
    function renew() { clearTimeout(planned); planned = setTimeout(read, 400); }
    cm.on("view", (name) => { shown = name === "updates"; read(); });
    cm.on("connection", (now) => { if (now.ok) { renew(); } });
    cm.on("revision", renew);
    cm.mount("updates", cm.updates);
})();
