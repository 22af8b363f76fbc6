// How one picture was made: prompts, parameters, what it was made with and whether that is here, and what can be done with it all.
// ``cm.generation(picture, options)`` gives a node; with ``options.data`` (of a dropped file) nothing is asked, and ``picture`` may be null.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.generation) { return; }

    const PAUSE = 150;          // who leafs quickly asks for nothing on the way
    const SOURCES = {api: "From Civitai", file: "From the image's file", comfy: "ComfyUI graph"};
    const TARGETS = {txt2img: "Send to txt2img", img2img: "Send to img2img", inpaint: "Send to inpaint", extras: "Send to extras"};
    const STATES = {here: ["check", "Here"], other_version: ["warning", "Another version is here"], civitai: ["cloud", "On Civitai"], unknown: ["absent", "Unknown"]};
    const KINDS = {checkpoint: "Checkpoint", lora: "LoRA", embedding: "Embedding", vae: "VAE", hypernetwork: "Hypernetwork", upscaler: "Upscaler", other: "Other"};
    const PARTS = [["prompt", "Prompt"], ["negative", "Negative prompt"], ["parameters", "Parameters"], ["size", "Size"], ["seed", "Seed"]];

    const action = (text, act, more) => cm.node("button", Object.assign({type: "button", class: "cm-action", onclick: act}, more), text);
    const data = (text) => cm.node("span", {translate: "no"}, text);
    const section = (title, ...rest) => cm.node("section", {class: "cm-made-part", "aria-label": title}, cm.node("h4", {}, title), ...rest);

    cm.generation = function (picture, options) {
        const given = options || {};
        const node = cm.node("div", {class: "cm-made"});
        const panel = {node: node, picture: picture, options: given, told: null, infotext: "", resources: null};
        if (given.data) { draw(panel, given.data); } else { setTimeout(() => { if (node.isConnected) { look(panel); } }, PAUSE); wait(panel); }
        return node;
    };

    function wait(panel) { panel.node.replaceChildren(cm.node("p", {class: "cm-quiet", role: "status"}, "Looking for how it was made…")); }
    async function look(panel) {
        wait(panel);
        try {
            let answer = cm.media.mine(panel.picture) ? await readOurs(panel.picture) : await cm.post("images/data", {picture: panel.picture, ticket: cm.ticket()});
            if (answer.job) { answer = await cm.jobResult(answer.job); }
            if (panel.node.isConnected) { draw(panel, answer.data); }
        } catch (error) {
            if (panel.node.isConnected) { panel.node.replaceChildren(cm.node("p", {class: "cm-warning", role: "status"}, cm.sent(error)), action("Try again", () => look(panel))); }
        }
    }

    // A file of ours tells it itself.
    async function readOurs(picture) {
        const answer = await fetch(picture.url, {credentials: "same-origin"});
        if (!answer.ok) { throw new Error("The picture is no longer there."); }
        return cm.postBytes("images/read", await answer.blob());
    }

    function draw(panel, told) {
        panel.told = told;
        panel.infotext = told.infotext || "";
        const found = told.state === "found";
        panel.prompt = text(panel, "Prompt", told.prompt);
        panel.negative = text(panel, "Negative prompt", told.negative);
        panel.renamed = cm.node("p", {class: "cm-quiet", role: "status", hidden: true});
        panel.list = cm.node("div", {class: "cm-made-resources"});
        panel.lacks = action("", () => panel.list.scrollIntoView({block: "nearest"}), {class: "cm-link cm-made-lacks", hidden: true});
        const source = found ? cm.node("p", {class: "cm-made-source"}, cm.node("span", {class: "cm-badge-plain", "data-source": told.source}, (panel.options.text ? "From the text" : SOURCES[told.source]) || told.source))
            : cm.node("p", {class: "cm-made-none", role: "status"}, "Not available: neither Civitai nor the image's file tells how it was made.");
        panel.node.replaceChildren(source, panel.lacks, ...sending(panel), ...(found ? [panel.prompt.node, panel.renamed, panel.negative.node, panel.list, parameters(told.parameters || {})].filter(Boolean) : []));
        if (found && panel.infotext) { resolve(panel); }
    }

    // -- texts that can be copied
    function text(panel, title, value) {
        const shown = cm.node("pre", {class: "cm-made-text", translate: "no", tabindex: "0", "aria-label": title}, value || "");
        const copy = action("Copy", async () => { const done = await cm.copyText(shown.textContent); cm.text(copy, done ? "Copied" : "Not allowed"); setTimeout(() => cm.text(copy, "Copy"), 1500); }, {class: "cm-link", "aria-label": cm.t("Copy: {what}", {what: title})});
        const part = cm.node("section", {class: "cm-made-part", "aria-label": title, hidden: !value}, cm.node("h4", {}, title, copy), shown);
        return {node: part, set: (now) => { cm.text(shown, now || ""); part.hidden = !now; }};
    }
    function parameters(values) {
        const rows = Object.entries(values).map(([name, value]) => cm.node("tr", {}, cm.node("th", {scope: "row", translate: "no"}, name), cm.node("td", {translate: "no"}, value)));
        return rows.length ? section("Parameters", cm.node("table", {class: "cm-made-table"}, cm.node("tbody", {}, ...rows))) : null;
    }

    // -- what it was made with
    async function resolve(panel) {
        try {
            const answer = await cm.post("resources/resolve", {infotext: panel.infotext, mentions: panel.told.resources, ticket: cm.ticket()});
            take(panel, answer.resources);
            if (answer.job) {
                panel.asking = true;
                drawResources(panel);
                const later = await cm.jobResult(answer.job).finally(() => { panel.asking = false; });
                take(panel, later.resources);
            }
            await rename(panel);
        } catch (error) {
            panel.list.replaceChildren(...(panel.resources && panel.resources.length ? [...panel.list.childNodes] : []), cm.node("p", {class: "cm-warning", role: "status"}, cm.sent(error)), action("Try again", () => resolve(panel)));
        }
    }
    function take(panel, resources) { panel.resources = resources || []; drawResources(panel); }
    // Names in the prompt made equal to the files that are here; what is sent and copied is what is shown.
    async function rename(panel) {
        if (!panel.resources.some((one) => one.state === "here")) { return; }
        const answer = await cm.post("resources/rename", {infotext: panel.infotext, add: true});
        if (!answer.changed.length || !panel.node.isConnected) { return; }
        panel.infotext = answer.infotext;
        panel.prompt.set(answer.prompt);
        const names = answer.changed.filter((one) => one.from).map((one) => one.from + " → " + one.to);
        const tags = answer.changed.filter((one) => !one.from && one.to.startsWith("<")).map((one) => one.to);
        const told = [["Named as your files are: ", names], ["Added, because only a number told of it: ", tags]].filter(([, some]) => some.length);
        panel.renamed.hidden = !told.length;
        panel.renamed.replaceChildren(...told.map(([text, some]) => cm.node("span", {}, text, data(some.join(", ")))).flatMap((part, place) => place ? [" · ", part] : [part]));
        panel.node.dataset.renamed = "1";
    }

    const missing = (panel) => (panel.resources || []).filter((one) => ["civitai", "other_version"].includes(one.state));
    function drawResources(panel) {
        const found = panel.resources;
        if (!found.length) { panel.list.replaceChildren(); panel.lacks.hidden = true; return; }
        const rows = found.map((one) => {
            const [icon, plainly] = STATES[one.state] || STATES.unknown;
            const word = one.state === "here" && one.by === "name" ? "Here, by its name only" : plainly;
            const facts = [KINDS[one.kind] || one.kind, one.version_name, one.weight === null || one.weight === undefined ? "" : "× " + one.weight].filter(Boolean).join(" · ");
            const title = one.title || one.name;
            const leads = one.state === "civitai" && one.url ? cm.node("a", {href: one.url, target: "_blank", rel: "noopener noreferrer", translate: "no"}, title)
                : one.model_id && one.file ? cm.node("button", {type: "button", class: "cm-link", translate: "no", onclick: () => show(one)}, title) : data(title);
            const alone = missing(panel).includes(one) && !panel.fetching ? action("Fetch", () => fetchThem(panel, [one]), {class: "cm-link", "aria-label": cm.t("Fetch {name}", {name: title})})
                : one.state === "unknown" && one.name ? action("Look on Civitai", () => seek(one), {class: "cm-link"}) : null;
            return cm.node("li", {"data-state": one.state}, cm.icon(icon), cm.node("span", {class: "cm-made-name"}, leads, cm.node("span", {class: "cm-quiet"}, facts)), cm.node("span", {class: "cm-made-state"}, word), alone);
        });
        const lacking = missing(panel);
        const absent = found.filter((one) => one.state !== "here").length;
        panel.lacks.hidden = !absent;
        cm.text(panel.lacks, absent ? cm.tn(absent, "{count} model of it is not here.", "{count} models of it are not here.") : "");
        const all = lacking.length && !panel.fetching ? action(cm.tn(lacking.length, "Fetch what is missing ({count})", "Fetch what is missing ({count})"), () => fetchThem(panel, lacking), {class: "cm-action cm-primary cm-fetch-missing"}) : null;
        const risky = !panel.fetching && panel.risky && panel.risky.length ? action("I trust their creators: fetch them, too", () => { const some = panel.risky; panel.risky = []; fetchThem(panel, some, true); }) : null;
        const said = cm.node("p", {class: "cm-quiet cm-made-told", role: "status"}, panel.fetching || (panel.asking ? "Civitai is asked about the rest…" : panel.note || ""));
        panel.list.replaceChildren(section("Made with", cm.node("ul", {class: "cm-made-list"}, ...rows), all, said, risky));
    }
    function closeAll() { if (cm.viewer) { cm.viewer.close(); } if (cm.pictures) { cm.pictures.close(); } cm.dropped.close(); }
    function show(one) { closeAll(); cm.choose(one.model_id, one.version_id); }
    // A name alone says nothing for certain, so the person looks: names of files are words with signs between them.
    cm.lookOnCivitai = (name) => cm.browse({text: name.replace(/[_-]+/g, " ").trim()});
    function seek(one) { closeAll(); cm.lookOnCivitai(one.name); }

    const plain = (one) => ({kind: one.kind, name: one.name, weight: one.weight, hash: one.hash, version_id: one.version_id, model_id: one.model_id});
    async function fetchThem(panel, wanted, confirmed) {
        panel.note = "";
        const say = (words) => { panel.fetching = words; drawResources(panel); };
        say("Looking for the files on Civitai…");
        try {
            const {job} = await cm.post("resources/fetch", {mentions: wanted.map(plain), confirmed: Boolean(confirmed), ticket: cm.ticket()});
            cm.hurry();
            const result = await cm.jobResult(job);
            const started = result.started || [];
            const notes = (result.skipped || []).map((one) => one.name + ": " + one.message);
            panel.risky = (result.skipped || []).filter((one) => one.code === "needs_confirmation" && one.mention).map((one) => one.mention);
            if (started.length) {
                say(cm.tn(started.length, "{count} download is running; the list of jobs shows how far it is", "{count} downloads are running; the list of jobs shows how far they are"));
                for (const one of started) { await cm.jobResult(one).catch((error) => notes.push(cm.sent(error))); }
            }
            panel.note = notes.join(" · ");
        } catch (error) {
            panel.note = cm.sent(error);
        }
        panel.fetching = "";
        drawResources(panel);
        if (panel.node.isConnected) { await resolve(panel); }
    }

    // -- what can be done with it
    function sending(panel) {
        const targets = cm.host ? cm.host.targets : [];
        const found = panel.told.state === "found" && panel.infotext;
        const told = cm.node("p", {class: "cm-quiet cm-made-told", role: "status"});
        const parts = PARTS.map(([value, label]) => { const box = cm.node("input", {type: "checkbox", value: value}); box.checked = true; return [value, box, cm.node("label", {}, box, label)]; });
        const mode = cm.node("select", {class: "cm-input", "aria-label": "What becomes of the text that is there"}, cm.node("option", {value: "replace"}, "Replace what is there"), cm.node("option", {value: "append"}, "Append to the prompts"));
        const chosen = () => parts.filter(([, box]) => box.checked).map(([value]) => value);
        const image = panel.options.image || (panel.picture && !cm.media.isVideo(panel.picture) ? cm.media.original(panel.picture) : null);
        const send = async (button, target) => {
            const all = [...row.querySelectorAll("button")];
            for (const one of all) { one.disabled = true; }
            cm.text(told, "Sending…");
            try {
                const every = chosen().length === PARTS.length;
                await cm.host.send(target, {infotext: found ? panel.infotext : "", picture: target === "txt2img" ? null : image, parts: every ? undefined : chosen(), mode: mode.value});
                cm.text(told, cm.t("It is in {name} now.", {name: target}));
                if (panel.options.sent) { panel.options.sent(target); }
            } catch (error) { cm.text(told, cm.sent(error)); }
            for (const one of all) { one.disabled = false; }
        };
        const useful = targets.filter((target) => target === "txt2img" ? found : found || image);
        const row = cm.node("div", {class: "cm-made-actions"}, ...useful.map((target, place) => { const button = action(TARGETS[target], () => send(button, target), {class: "cm-action" + (place ? "" : " cm-primary"), "data-target": target}); return button; }));
        const nodes = useful.length ? [row] : [];
        if (useful.length && found) { nodes.push(cm.node("details", {class: "cm-made-parts"}, cm.node("summary", {}, "Only some of it"), cm.node("div", {class: "cm-made-boxes"}, ...parts.map(([, , label]) => label)), mode)); }
        const more = cm.node("div", {class: "cm-made-actions"});
        if (found) {
            const copy = action("Copy all", async () => { cm.text(told, await cm.copyText(panel.infotext) ? "Copied." : "This browser does not allow copying."); }, {"data-act": "copy"});
            more.append(copy, action("Save as a text file", () => save(panel), {"data-act": "save"}));
        }
        if (found && cm.recipeFrom) {
            // As it was told: what its models are called here is worked out when the recipe is used.
            more.append(action("Save as recipe", () => {
                const of = panel.picture;
                cm.recipeFrom({infotext: panel.told.infotext, picture: of || undefined, url: of ? of.url : panel.options.image, title: panel.options.title, version_id: of ? of.version_id : 0});
                leave(panel);
            }, {"data-act": "recipe"}));
        }
        if (more.childNodes.length) { nodes.push(more); }
        return [...nodes, told];
    }
    function leave(panel) { if (panel.options.sent) { panel.options.sent(""); } }
    function save(panel) {
        const url = URL.createObjectURL(new Blob([panel.infotext + "\n"], {type: "text/plain"}));
        const name = (panel.options.name || (panel.picture && panel.picture.id ? "image-" + panel.picture.id : "image")).replace(/\.[^.]*$/, "") + ".txt";
        const link = cm.node("a", {href: url, download: name, hidden: true});
        panel.node.append(link);
        link.click();
        link.remove();
        setTimeout(() => URL.revokeObjectURL(url), 10000);
    }

    // -- an image, or the text of one, that was dropped or pasted on our tab
    const LARGEST = 64 * 1024 * 1024;
    let address = "";
    const title = cm.node("h2", {class: "cm-layer-title", translate: "no"});
    const frame = cm.node("div", {class: "cm-dropped-frame"});
    const body = cm.node("div", {class: "cm-viewer-side"});
    const layer = cm.layer("cm-dropped", "How this image was made", () => { frame.replaceChildren(); body.replaceChildren(); if (address) { URL.revokeObjectURL(address); address = ""; } });
    layer.node.append(cm.node("header", {class: "cm-layer-head"}, title, cm.button("cross", "Close (Esc)", () => layer.close(), {class: "cm-icon cm-layer-close"})), cm.node("div", {class: "cm-dropped-body"}, frame, body));
    cm.dropped = {close: layer.close, node: layer.node};

    cm.isImage = (file) => /^image\/(png|jpeg|webp|avif|gif)$/.test(file.type) || /\.(png|jpe?g|webp|avif)$/i.test(file.name);
    cm.isMade = (text) => /(^|\n)(Negative prompt: |Steps: \d+, )/.test(text);
    // ``file``: also of a text, which is shown without a picture.
    cm.readImage = async function (file) {
        if (file.size > LARGEST) { cm.say("This image is larger than 64 MB: it was not read."); return; }
        layer.open();
        if (address) { URL.revokeObjectURL(address); }
        address = URL.createObjectURL(file);
        const image = cm.isImage(file);
        cm.text(title, file.name || (image ? "image" : ""));
        frame.replaceChildren(...(image ? [cm.node("img", {src: address, alt: "", class: "cm-clear"})] : []));
        frame.hidden = !image;
        body.replaceChildren(cm.node("p", {class: "cm-quiet", role: "status"}, "Reading how it was made…"));
        const mine = address;
        try {
            const told = await cm.postBytes("images/read" + (image ? "?picture=1" : ""), file);
            if (address !== mine) { return; }
            const made = cm.generation(null, {data: told.data, image: image ? mine : null, name: file.name, title: file.name, text: !image, sent: layer.close});
            body.replaceChildren(made);
        } catch (error) {
            if (address === mine) { body.replaceChildren(cm.node("p", {class: "cm-warning", role: "status"}, cm.sent(error)), action("Try again", () => cm.readImage(file))); }
        }
    };
})();
