// What is done with a recipe: sent to the WebUI whole or in part, its missing models fetched, saved as a file, copied. Also how bytes are sent.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.recipeSend) { return; }

    const LONGEST = 120000;     // milliseconds for a big picture over a slow line
    const PARTS = [["prompt", "Prompt"], ["negative", "Negative prompt"], ["parameters", "Parameters"], ["size", "Size"], ["seed", "Seed"]];
    const TARGETS = {txt2img: "txt2img", img2img: "img2img", inpaint: "inpaint"};
    const STATES = {here: ["check", "Here"], other_version: ["fresh", "Another version is here"], civitai: ["cloud", "On Civitai"], unknown: ["absent", "Not found"], missing: ["absent", "Not here"]};
    let view = null;
    let resolved = [];          // what resources/resolve has said of this recipe's models
    let waiting = "";           // the job that goes on looking

    // Bytes to a route of ours; not kept when they do not arrive: a picture is too big to be remembered.
    cm.sendBytes = async function (path, blob) {
        const controller = new AbortController();
        const timer = setTimeout(() => controller.abort(), LONGEST);
        try {
            const answer = await fetch(cm.base() + path, {method: "POST", body: blob, credentials: "same-origin", cache: "no-store", signal: controller.signal,
                headers: {"X-Civitai-Manager": "1", "Content-Type": "application/octet-stream"}});
            const told = await answer.json().catch(() => null);
            if (!answer.ok || told === null) { throw new cm.Refusal((told && told.error) || {message: cm.t("The server answered {status}.", {status: String(answer.status)}), next_step: "Try again."}, answer.status, told && told.error); }
            return told;
        } catch (error) {
            if (error instanceof cm.Refusal) { throw error; }
            throw new cm.Refusal({message: "The file did not reach the server.", next_step: "Try again when the connection is back."}, 0);
        } finally { clearTimeout(timer); }
    };

    const told = cm.node("p", {class: "cm-quiet", role: "status"});
    const main = cm.node("div", {class: "cm-now"});
    const boxes = PARTS.map(([value, text]) => [value, cm.node("label", {}, cm.node("input", {type: "checkbox", value: value}), text)]);
    for (const [, label] of boxes) { label.firstChild.checked = true; }
    const mode = cm.node("select", {class: "cm-input", "aria-label": "What becomes of what is there"}, cm.node("option", {value: "replace"}, "Replace what is there"), cm.node("option", {value: "append"}, "Append to what is there"));
    const choose = cm.node("details", {class: "cm-recipe-parts"}, cm.node("summary", {}, "Only parts of it, or append"), cm.node("div", {class: "cm-row"}, ...boxes.map(([, label]) => label), mode));
    const node = cm.node("div", {class: "cm-recipe-send"}, main, choose, told);

    const targets = () => cm.host && Array.isArray(cm.host.targets) ? cm.host.targets.filter((one) => one in TARGETS) : [];
    const chosen = () => { const some = boxes.filter(([, label]) => label.firstChild.checked).map(([value]) => value); return some.length === PARTS.length ? null : some; };

    // Names in the prompt are made equal to the files that are here, before it is sent; where nothing can tell them apart, they stay.
    async function infotext() {
        const text = view.infotext;
        if (!view.models.length) { return text; }
        try { return (await cm.postOnce("resources/rename", {infotext: text, add: true})).infotext || text; } catch (error) { return text; }
    }
    async function use(target, button) {
        const recipe = view.id;
        cm.recipeEditor.saveAll();
        button.disabled = true;
        cm.text(told, "");
        try {
            await cm.recipeEditor.read();
            if (!view || view.id !== recipe) { return; }
            const parts = chosen();
            const picture = target !== "txt2img" && view.picture ? cm.recipePicture(view) : null;
            await cm.host.send(target, Object.assign({infotext: await infotext(), picture: picture, mode: mode.value}, parts ? {parts: parts} : {}));
            const absent = view.models.filter((one) => !one.here).length;
            cm.text(told, cm.t("Sent to {target}.", {target: target}) + (absent ? " " + cm.tn(absent, "{count} model of it is not here.", "{count} models of it are not here.") : ""));
            cm.post("recipes/" + recipe + "/used", {}).catch(() => {});
        } catch (error) {
            cm.text(told, error instanceof cm.Refusal ? cm.sentence(error) : String((error && error.message) || error));
        } finally { button.disabled = false; }
    }
    async function copy() {
        const recipe = view.id;
        const text = await infotext();
        const done = await cm.copyText(text);
        cm.text(told, done ? "Copied: paste it into the prompt and press the arrow below Generate." : "This browser does not allow copying.");
        if (done) { cm.post("recipes/" + recipe + "/used", {}).catch(() => {}); }
    }
    function save(plain) {
        cm.recipeEditor.saveAll();
        const link = cm.node("a", {href: cm.base() + "recipes/" + view.id + "/file" + (plain ? "?plain=1" : ""), download: ""});
        setTimeout(() => { cm.root().append(link); link.click(); link.remove(); }, 150);
        cm.text(told, plain || !view.picture ? "Saved as a document that the Recipes view reads back." : "Saved as a picture with the recipe in it: the WebUI and the Recipes view read it back.");
    }
    function drawMain() {
        const found = targets();
        const key = JSON.stringify([found, Boolean(view.picture)]);
        if (main.dataset.key === key) { return; }
        main.dataset.key = key;
        const sends = found.map((target, place) => {
            const button = cm.node("button", {type: "button", class: "cm-action" + (place ? "" : " cm-primary"), "data-cm-send": target, translate: place ? "no" : null, onclick: () => use(target, button)}, place ? target : cm.t("Use in {target}", {target: target}));
            return button;
        });
        main.replaceChildren(...sends, cm.node("button", {type: "button", class: "cm-action" + (found.length ? "" : " cm-primary"), "data-cm-send": "copy", onclick: copy}, "Copy"),
            cm.node("button", {type: "button", class: "cm-action", "data-cm-send": "file", onclick: () => save(false)}, "Save as a file"));
        choose.hidden = !found.length;
    }

    // -- models that are not here
    const find = cm.node("button", {type: "button", class: "cm-action", onclick: () => ask()}, "Look for what is missing");
    const fetchThem = cm.node("button", {type: "button", class: "cm-action", hidden: true, onclick: () => fetchMissing()}, "Download what is missing");
    const trust = cm.node("label", {hidden: true, title: "Pickle files can run programs when they are loaded"}, cm.node("input", {type: "checkbox"}), " Also files that can run programs");
    const modelsTold = cm.node("p", {class: "cm-quiet", role: "status"});
    const models = cm.node("div", {class: "cm-recipe-missing"}, cm.node("div", {class: "cm-row"}, find, fetchThem, trust), modelsTold);
    const bare = (one) => ({kind: one.kind, name: one.name, weight: one.weight, hash: one.hash, version_id: one.version_id, model_id: one.model_id});
    // ``other``: what was found of it, which knows its version also where the recipe does not.
    const same = (one, other) => one.kind === other.kind && one.name === other.name && one.hash === other.hash && (!one.version_id || one.version_id === other.version_id);
    const missing = () => view.models.filter((one) => !one.here);
    const obtainable = () => resolved.filter((one) => ["civitai", "other_version"].includes(one.state) && view.models.some((own) => !own.here && same(own, one)));
    function state(one) {
        const found = resolved.find((other) => same(one, other));
        const name = one.here ? "here" : found && found.state !== "here" ? found.state : found ? "here" : "missing";
        const [icon, text] = STATES[name] || STATES.missing;
        return {state: name, icon: icon, text: one.here && one.by === "name" ? "Here, by its name only" : text, link: found && !one.here && found.title ? " " + [found.title, found.version_name].filter(Boolean).join(" · ") : ""};
    }
    function take(answer) {
        resolved = answer.resources || resolved;
        cm.recipeEditor.redraw();
    }
    async function ask() {
        const recipe = view.id;
        const answer = await cm.press(find, modelsTold, () => cm.postOnce("resources/resolve", {mentions: view.models.map(bare), ticket: cm.ticket()}));
        if (!answer || !view || view.id !== recipe) { return; }
        waiting = answer.job || "";
        if (waiting) { cm.text(modelsTold, "Asking Civitai…"); cm.hurry(); }
        take(answer);
        if (!waiting) { cm.text(modelsTold, summary()); }
    }
    function summary() {
        const count = obtainable().length;
        const lost = missing().length - count;
        return [count ? cm.tn(count, "{count} can be downloaded.", "{count} can be downloaded.") : "", lost > 0 ? cm.tn(lost, "{count} was not found.", "{count} were not found.") : ""].filter(Boolean).join(" ") || "All of them are here.";
    }
    async function fetchMissing() {
        const some = obtainable();
        const answer = await cm.press(fetchThem, modelsTold, () => cm.post("resources/fetch", {mentions: some.map(bare), confirmed: trust.querySelector("input").checked, ticket: cm.ticket()}));
        if (answer) { cm.text(modelsTold, "Started: the list below the page shows how far it is."); waiting = answer.job || ""; cm.hurry(); }
    }
    cm.on("jobs", (news) => {
        const job = view && waiting && news.ended.find((one) => one.id === waiting);
        if (!job) { return; }
        waiting = "";
        const result = job.result || {};
        if (Array.isArray(result.resources)) { take(result); cm.text(modelsTold, summary()); }
        else if (Array.isArray(result.skipped) && result.skipped.length) { cm.text(modelsTold, result.skipped.map((one) => (one.name ? one.name + ": " : "") + one.message).join(" ")); }
        else if (job.state === "failed") { cm.text(modelsTold, cm.describe(job)); }
    });

    function draw(now) {
        view = now;
        drawMain();
        const absent = missing().length;
        models.hidden = !absent;
        fetchThem.hidden = trust.hidden = !obtainable().length;
        find.hidden = Boolean(obtainable().length);
    }
    cm.recipeSend = {node: node, models: models, draw: draw, state: state, forget: () => { resolved = []; waiting = ""; view = null; cm.text(told, ""); cm.text(modelsTold, ""); }};
})();
