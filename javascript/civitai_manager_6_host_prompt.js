// Beside the WebUI's prompts: a button that shows which models the prompt and the fields name, whether they are here, and fetches what is not. Afterwards
// the names in the prompt can be made equal to the files that are here.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.resources) { return; }

    const STATES = {here: ["check", "Here"], other_version: ["warning", "Another version is here"], civitai: ["cloud", "On Civitai"], unknown: ["absent", "Not known on Civitai"]};
    const KINDS = {checkpoint: "Checkpoint", lora: "LoRA", embedding: "Embedding", vae: "VAE", hypernetwork: "Hypernetwork", upscaler: "Upscaler", other: "Other"};
    let tab = "txt2img";
    let infotext = "";
    let found = [];
    let number = 0;
    let waits = "";             // what is being done
    let risky = [];             // what is fetched only when its creator is trusted

    const list = cm.node("ul", {class: "cm-resources"});
    const said = cm.node("p", {class: "cm-quiet", role: "status"});
    const action = (text, run, extra) => cm.node("button", Object.assign({type: "button", class: "cm-action", onclick: run}, extra || {}), text);
    const fetchAll = action("", () => fetchThem(missing(), false), {class: "cm-action cm-primary"});
    const trust = action("I trust their creators: fetch them, too", () => fetchThem(risky, true));
    const rename = action("Make names match the files", renamed);
    const dialog = cm.node("dialog", {id: "cm_resources_box", class: "cm-resources-box", "aria-labelledby": "cm_resources_title"},
        cm.node("h3", {id: "cm_resources_title"}, "Models that this prompt names"), list, said,
        cm.node("div", {class: "cm-card-row"}, fetchAll, trust, rename, action("Close", () => dialog.close())));
    dialog.addEventListener("click", (event) => { if (event.target === dialog) { dialog.close(); } });
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.addEventListener("close", () => { if (!dialog.open) { number += 1; } });  // it comes late, perhaps after the next opening

    const missing = () => found.filter((one) => ["civitai", "other_version"].includes(one.state));
    const plain = (one) => ({kind: one.kind, name: one.name, weight: one.weight, hash: one.hash, version_id: one.version_id, model_id: one.model_id});
    function row(one) {
        const [icon, plainly] = STATES[one.state] || STATES.unknown;
        const state = one.state === "here" && one.by === "name" ? "Here, by its name only" : plainly;
        const name = one.title || one.name;
        const facts = [KINDS[one.kind] || one.kind, one.version_name, typeof one.weight === "number" ? "× " + one.weight : ""].filter(Boolean).join(" · ");
        const open = one.file ? action(name, () => openFile(one), {class: "cm-link", translate: "no"})
            : one.url ? cm.node("a", {href: one.url, target: "_blank", rel: "noopener noreferrer", translate: "no"}, name) : cm.node("span", {translate: "no"}, name);
        return cm.node("li", {"data-state": one.state}, cm.icon(icon), cm.node("span", {class: "cm-resource-name"}, open, cm.node("span", {class: "cm-quiet"}, facts)), cm.node("span", {class: "cm-resource-state"}, state),
            one.state === "unknown" && one.name ? action("Look on Civitai", () => { dialog.close(); cm.openTab(); cm.lookOnCivitai(one.name); }, {class: "cm-link"}) : null);
    }
    // A file that is only here has a number in the library and none on Civitai.
    async function openFile(one) {
        try {
            const [known] = one.model_id ? [{model: one.model_id, version: one.version_id}] : (await cm.post("webui/cards", {cards: [[one.file.path, "", ""]]})).cards;
            if (known) { dialog.close(); cm.openTab(); cm.choose(known.model, known.version || 0); }
        } catch (error) { draw(cm.sent(error)); }
    }
    function draw(text) {
        list.replaceChildren(...found.map(row));
        const lacking = missing();
        fetchAll.hidden = !lacking.length || Boolean(waits);
        cm.text(fetchAll, cm.t("Fetch what is missing ({count})", {count: lacking.length}));
        trust.hidden = !risky.length || Boolean(waits);
        rename.hidden = !found.some((one) => one.file) || Boolean(waits);
        cm.text(said, waits || text || "");
    }
    async function doing(words, run) {
        const mine = number;
        waits = words;
        draw();
        let text = "";
        try { text = (await run(() => mine === number)) || ""; } catch (error) { text = cm.sent(error); }
        if (mine === number) { waits = ""; draw(text); }
    }
    const resolve = (text) => doing("Looking for the models…", async (current) => {
        const answer = await cm.post("resources/resolve", {infotext: infotext, ticket: cm.ticket()});
        if (!current()) { return ""; }
        found = answer.resources || [];
        if (answer.job) {
            waits = "Civitai is asked about the rest…";
            draw();
            const later = await cm.jobResult(answer.job);
            if (current()) { found = later.resources || found; }
        }
        return text || (found.length ? "" : "The prompt and the fields name no model.");
    });
    const fetchThem = (wanted, confirmed) => doing("Looking for the files on Civitai…", async (current) => {
        const answer = await cm.post("resources/fetch", {mentions: wanted.map(plain), confirmed: confirmed, ticket: cm.ticket()});
        cm.hurry();
        const result = await cm.jobResult(answer.job);
        const notes = (result.skipped || []).map((one) => one.name + ": " + one.message);
        risky = (result.skipped || []).filter((one) => one.code === "needs_confirmation" && one.mention).map((one) => one.mention);
        if (current()) { waits = cm.t("Downloads are running: {count}", {count: (result.started || []).length}); draw(); }
        for (const job of result.started || []) { await cm.jobResult(job).catch((error) => notes.push(cm.sent(error))); }
        if (current() && (result.started || []).length) { notes.push(await matchNames()); }  // one press fetches, and the prompt names what has come
        if (current()) {
            infotext = (await present()).infotext;
            const again = await cm.post("resources/resolve", {infotext: infotext, mentions: null, ticket: cm.ticket()});
            found = again.job ? (await cm.jobResult(again.job)).resources || found : again.resources || found;
        }
        return notes.filter(Boolean).join(" · ");
    });
    // What the prompt and the fields say. Generation data that was pasted whole into the prompt, and not taken apart by the WebUI yet, counts as what
    // it is; and a LoRA of the data that was sent here last keeps its hash, by which it is found under any name.
    const WHOLE = /(^|\n)Steps: \d+, /;
    function hashesOf(text) {
        const [, listed] = text.match(/\bLora hashes: "([^"]*)"/) || [];
        if (listed) { return listed.split(",").map((pair) => [pair.slice(0, pair.lastIndexOf(":")).trim(), pair.slice(pair.lastIndexOf(":") + 1).trim()]); }
        const [, quoted] = text.match(/\bHashes: ("(?:[^"\\]|\\.)*")/) || [];
        try { return Object.entries(JSON.parse(JSON.parse(quoted))).filter(([name]) => name.startsWith("lora:")).map(([name, hash]) => [name.slice(5), hash]); } catch (error) { return []; }
    }
    async function present() {
        const now = await cm.host.read(tab);
        if (WHOLE.test(now.prompt)) { return {infotext: now.prompt, whole: true}; }
        const hashes = hashesOf(cm.host.sent(tab)).filter(([name]) => now.prompt.includes("<lora:" + name + ":")).map((pair) => pair.join(": "));
        return {infotext: now.infotext + (hashes.length ? ", Lora hashes: \"" + hashes.join(", ") + "\"" : ""), whole: false};
    }
    async function matchNames() {
        const now = await present();
        const answer = await cm.post("resources/rename", {infotext: now.infotext, add: true});
        if (!(answer.changed || []).length) { return ""; }
        await cm.host.send(tab, Object.assign({infotext: answer.infotext, stay: true}, now.whole ? {} : {parts: ["prompt", "negative"]}));
        return answer.changed.filter((one) => one.to).map((one) => (one.from ? one.from + " → " : "+ ") + one.to).join(" · ");
    }
    function renamed() { return doing("Comparing the names…", async () => await matchNames() || "The names match the files already."); }
    cm.resources = {
        open: async function (target) {
            tab = target;
            number += 1;
            [found, risky, waits] = [[], [], ""];
            if (!dialog.isConnected) { document.body.append(dialog); }
            draw("");
            if (!dialog.open) { dialog.showModal(); }
            try { infotext = (await present()).infotext; } catch (error) { draw(cm.sent(error)); return; }
            await resolve("");
        },
    };

    // The button stands with the WebUI's own tools; a row that is drawn anew gets it again.
    function place() {
        const on = cm.switched("host_prompt_button");
        for (const target of ["txt2img", "img2img"]) {
            const row = cm.app().querySelector("#" + target + "_tools");
            const known = document.getElementById("cm_resources_" + target);
            if (known && !on) { known.remove(); }
            if (!row || !on || known) { continue; }
            const like = row.querySelector("button");
            const button = cm.node("button", {type: "button", id: "cm_resources_" + target, class: (like ? like.className : "") + " cm-tool", title: "Resolve resources: which models of this prompt are here", "aria-label": "Resolve resources", onclick: () => cm.resources.open(target)}, cm.icon("box"));
            (like && like.parentElement !== row ? like.parentElement : row).append(button);
        }
    }
    cm.on("polled", place);
    cm.on("view", place);
    place();
})();
