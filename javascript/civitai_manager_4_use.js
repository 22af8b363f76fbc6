// The one thing to do now with the chosen model: update it, or use it. In a WebUI its name, weight and words go into a prompt there, or the checkpoint is
// chosen; alone they are copied. Names are those under which the WebUI loads the file (prompt_name), weight and words those of the person.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.drawUse) { return; }

    const act = cm.node("div", {class: "cm-now"});
    cm.use = cm.node("div", {class: "cm-use"}, act);
    const stem = (path) => path.split(/[\\/]/).pop().replace(/\.[^.]+$/, "");
    const whole = (file) => file.state === "here" && !["truncated", "wrong"].includes(file.health);
    let view = null;
    let set = "";           // the chosen word set: "" the first there is, "0" the version's own, "-" none, or a set's id
    let shown = 0;

    // The version that the panel shows; its file comes before those of others.
    const chosenVersion = () => {
        const field = document.querySelector("#cm_chosen textarea, #cm_chosen input");
        const [model, version] = (field ? field.value : "").split(":");
        return view && model === String(view.id) ? Number(version) : 0;
    };
    const fileNow = () => { const version = chosenVersion(); return view.files.find((file) => whole(file) && file.version_id === version) || view.files.find(whole); };
    const ownWords = () => {
        const file = fileNow();
        const version = view.versions.find((one) => file && one.id === file.version_id) || view.versions.find((one) => one.here) || view.versions[0];
        return version ? (version.trained_words || []).join(", ") : "";
    };
    const chosenSet = () => view.word_sets.find((one) => String(one.id) === set) || (set === "" ? view.word_sets[0] : null);
    const words = () => { const one = chosenSet(); return set === "-" ? "" : one ? one.words : ownWords(); };
    const negatives = () => { const one = chosenSet(); return [view.negative, one ? one.negative : ""].map((text) => (text || "").trim()).filter(Boolean).join(", "); };
    const weight = () => { const one = chosenSet(); return one && typeof one.weight === "number" ? one.weight : view.weight === null ? 1 : view.weight; };

    // "lora", "hypernet", "embedding", "checkpoint", or "" for what neither a prompt nor the list of checkpoints names.
    function sort(file) {
        const [kind, type] = [file.kind || "", (view.type || "").toLowerCase()];
        if (kind === "embedding" || type === "textualinversion") { return "embedding"; }
        if (kind === "hypernetwork" || type === "hypernetwork") { return "hypernet"; }
        if (["lora", "lycoris"].includes(kind) || ["lora", "locon", "dora"].includes(type)) { return "lora"; }
        return kind === "checkpoint" || kind === "unet" || type === "checkpoint" ? "checkpoint" : "";
    }
    const tagOf = (file) => {
        const name = file.prompt_name || stem(file.path);
        const kind = sort(file);
        return kind === "embedding" ? name : ["lora", "hypernet"].includes(kind) ? "<" + kind + ":" + name + ":" + weight() + ">" : "";
    };

    // What a prompt has already is not added again: the tag under any weight, and the words as they are.
    function missing(file, prompt) {
        const tag = tagOf(file);
        const start = tag.startsWith("<") ? tag.replace(/:[^:]*>$/, ":") : tag;
        return [prompt.includes(start) ? "" : tag, prompt.includes(words()) ? "" : words()].filter(Boolean).join(", ");
    }
    async function put(target, told) {
        const file = fileNow();
        try {
            const now = await cm.host.read(target);
            const [text, more] = [missing(file, now.prompt), now.negative.includes(negatives()) ? "" : negatives()];
            if (text) { await cm.host.insert(target, text); }
            if (more) { await cm.host.insert(target, more, {negative: true}); }
            const done = text || more ? cm.t("Added to {tab}.", {tab: target}) : cm.t("It is in {tab} already.", {tab: target});
            if (!cm.recall("stay", false, true)) { cm.host.show(target); }
            told.replaceChildren(done + " ", cm.node("button", {type: "button", class: "cm-link", onclick: () => cm.host.show(target)}, cm.t("Show {tab}", {tab: target})));
        } catch (error) { cm.text(told, cm.sent(error)); }
    }
    async function copy(text, told) {
        const done = await cm.copyText(text);
        cm.text(told, cm.t(done ? "Copied: {text}" : "This browser does not allow copying: {text}", {text: text}));
    }
    function choose(file, told) {
        const name = file.prompt_name || "";
        if (!name) { cm.text(told, "The WebUI does not list this file yet. Refresh its list of checkpoints and try again."); return; }
        if (!cm.host.checkpoint(name)) { copy(name, told); return; }
        cm.text(told, cm.t("Chosen in the WebUI: {name}", {name: name}));
    }

    // A title that is data keeps the button from being translated, but not its own words.
    const action = (text, run, extra) => cm.node("button", Object.assign({type: "button", class: "cm-action", onclick: run, translate: extra && extra.title ? "no" : null}, extra || {}),
        extra && extra.title ? cm.node("span", {translate: "yes"}, text) : text);
    function buttons(file, told, primary) {
        const look = (first) => ({class: "cm-action" + (first && primary ? " cm-primary" : "")});
        if (sort(file) === "checkpoint") {
            return window.selectCheckpoint ? [action("Use this checkpoint", () => choose(file, told), Object.assign({"data-cm-now": "use", title: file.prompt_name || stem(file.path)}, look(true)))] : [];
        }
        const text = [tagOf(file), words()].filter(Boolean).join(", ");
        const targets = cm.host.prompts();
        const now = (first) => first ? {"data-cm-now": "use", title: text} : {};
        const found = targets.map((target, place) => action(place ? target : cm.t("Use in {tab}", {tab: target}), () => put(target, told), Object.assign({"data-cm-use": target, "aria-label": cm.t("Use in {tab}", {tab: target})}, now(!place), look(!place))));
        if (targets.length && words()) { found.push(action("Words only", () => cm.host.insert(targets[0], words()).then(() => cm.text(told, cm.t("Added to {tab}.", {tab: targets[0]})), (error) => cm.text(told, cm.sent(error))))); }
        found.push(action(targets.length ? "Copy" : "Copy for the prompt", () => copy(text, told), Object.assign({"data-cm-copy-prompt": text}, now(!targets.length), look(!targets.length))));
        return found;
    }
    // Which words go along: only asked where there is a choice.
    function chooser() {
        if (!view.word_sets.length) { return null; }
        const options = [...view.word_sets.map((one) => [String(one.id), one.name || one.words]), ...(ownWords() ? [["0", "As its creator says"]] : []), ["-", "No words"]];
        const node = cm.node("select", {class: "cm-input", "aria-label": "Trigger words to use"}, ...options.map(([value, text]) => cm.node("option", {value: value, translate: value > "0" ? "no" : null}, text)));
        node.value = set === "" ? options[0][0] : set;
        node.addEventListener("change", () => { set = node.value; draw(); });
        return node;
    }
    const stay = cm.node("input", {type: "checkbox", onchange: () => cm.remember("stay", stay.checked, true)});
    const staying = cm.node("label", {class: "cm-stay"}, stay, cm.node("span", {}, "Stay in this tab"));
    const air = () => { const version = view.versions.find((one) => one.id === chosenVersion()) || view.versions[0]; return version ? version.air || "" : ""; };

    function draw() {
        const had = act.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") || document.activeElement.textContent : "";
        const told = cm.node("span", {class: "cm-quiet", role: "status", translate: "no"});
        const found = [];
        if (view.newer === 1) {
            const button = action("Update now", () => cm.updateModels(button, [view.id], false), {class: "cm-action cm-primary", "data-cm-now": "update"});
            found.push(button, cm.node("span", {class: "cm-quiet"}, "A newer version is on Civitai."));
        }
        const file = fileNow();
        if (file && sort(file)) {
            const kind = sort(file);
            found.push(...(kind === "checkpoint" ? [] : [chooser()]), ...buttons(file, told, view.newer !== 1));
            if (kind !== "checkpoint") { cm.text(told, [tagOf(file), words()].filter(Boolean).join(", ")); }
            if (cm.host.prompts().length && kind !== "checkpoint") { stay.checked = cm.recall("stay", false, true); found.push(staying); }
        }
        if (air()) { found.push(action("Copy AIR", () => copy(air(), told), {class: "cm-link"})); }
        act.replaceChildren(...found.filter(Boolean), told);
        if (had) { const again = [...act.querySelectorAll("button, select")].find((one) => (one.getAttribute("aria-label") || one.textContent) === had); if (again) { again.focus(); } }
    }
    cm.drawUse = function (shownView) {
        view = shownView;
        if (!view) { act.replaceChildren(); return; }
        if (view.id !== shown) { shown = view.id; set = ""; }
        draw();
    };
    // Another version in the panel: another file, other words. gradio sets the field without an event of the page.
    let version = 0;
    cm.on("mounted", () => { if (view && chosenVersion() !== version) { version = chosenVersion(); draw(); } });
    document.addEventListener("change", (event) => { if (event.target instanceof Element && event.target.closest("#cm_version, #cm_file") && view) { setTimeout(() => view && draw(), 900); } });
})();
