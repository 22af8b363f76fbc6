// The side panel of a model on Civitai that is not in the library: pictures, versions, files, and the buttons that take it over.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.openRemote) { return; }

    const PATIENCE = 8000;
    let model = null;       // as the server tells it; first only what the card knew
    let version = 0;
    let at = 0;             // of the version's pictures
    let controller = null;
    let working = "";       // the job that this panel has started
    let trusts = false;

    const cover = cm.cover("box");
    const label = cm.node("span", {class: "cm-picture-label"});
    const back = cm.button("left", cm.t("Previous picture"), () => step(-1));
    const next = cm.button("right", cm.t("Next picture"), () => step(1));
    const large = cm.button("eye", cm.t("Look at the pictures"), look);
    const picture = cm.node("div", {class: "cm-picture cm-remote-picture"}, cover.node, cm.button("cross", cm.t("Close (Esc)"), () => close(), {class: "cm-icon cm-close"}),
        cm.node("span", {class: "cm-picture-bar"}, back, label, large, next));
    const gallery = cm.node("button", {type: "button", class: "cm-action cm-with-icon", onclick: () => cm.pictures.open(model.id, version)}, cm.icon("pictures"), cm.node("span", {}, cm.t("Pictures")));
    const title = cm.node("h3", {class: "cm-remote-name", translate: "no", tabindex: "-1"});
    const facts = cm.node("p", {class: "cm-quiet"});
    const makers = cm.node("div", {class: "cm-row"});
    const acts = cm.node("div", {class: "cm-row cm-remote-acts"});
    const state = cm.node("p", {class: "cm-line", role: "status"});
    const versions = cm.node("select", {class: "cm-input", "aria-label": cm.t("Version")});
    const body = cm.node("div", {class: "cm-remote-body"});
    const panel = cm.node("aside", {class: "cm-remote", "aria-label": cm.t("Model on Civitai"), hidden: true}, picture, gallery, title, facts, makers, acts, state,
        cm.node("label", {class: "cm-field"}, cm.node("span", {}, cm.t("Version")), versions), body);
    cm.civitai.append(panel);
    versions.addEventListener("change", () => { version = Number(versions.value); at = 0; draw(); });
    panel.addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.defaultPrevented) { close(); event.preventDefault(); event.stopPropagation(); } });
    picture.addEventListener("click", (event) => { if (event.target.closest(".cm-reveal")) { cm.marks.reveal(model.id); } });

    cm.openRemote = function (item) {
        const other = !model || model.id !== item.id;
        model = Object.assign({list: null, tags: [], about: "", url: ""}, item);
        if (other) { [version, at, working, trusts] = [item.version_id, 0, "", false]; cm.text(state, ""); panel.scrollTop = 0; }
        panel.hidden = false;
        cm.civitai.classList.add("cm-remote-open");
        draw();
        cm.emit("resized");
        read(item.id);
    };
    function close(quietly) {
        if (panel.hidden) { return false; }
        if (controller) { controller.abort(); }
        panel.hidden = true;
        cover.show(null);
        model = null;
        cm.civitai.classList.remove("cm-remote-open");
        cm.emit("resized");
        if (!quietly) { cm.browsing.mark(0); cm.browsing.focus(); }
        return true;
    }
    cm.closeRemote = () => close(true);

    // From what the server keeps at once, whole when it has been asked for.
    async function read(id, again) {
        if (controller) { controller.abort(); }
        const mine = controller = new AbortController();
        const wanted = () => !mine.signal.aborted && model && model.id === id;
        let since = 0;
        for (let first = again; wanted(); first = false) {
            try {
                const answer = await cm.get("browse/models/" + id + "?page=" + cm.find.page + (since ? "&since=" + since : "") + (first ? "&again=1" : ""), mine.signal, PATIENCE);
                if (!wanted()) { return; }
                if (answer.state === "failed") { failed(answer.error, id); return; }
                if (answer.state === "ready") {
                    since = answer.asked;
                    model = Object.assign({}, answer.model, {whole: answer.whole});
                    if (!model.list.some((one) => one.id === version)) { version = model.list.length ? model.list[0].id : 0; }
                    draw();
                    if (answer.error) { failed(answer.error, id); }
                    if (!answer.renewing) { return; }
                }
            } catch (error) {
                if (!wanted()) { return; }
                await new Promise((done) => setTimeout(done, 2000));
            }
        }
    }
    function failed(error, id) {
        state.replaceChildren(cm.node("span", {}, (model.list ? cm.t("Not everything could be read.") + " " : "") + (error.message + " " + (error.next_step || "")).trim() + " "),
            cm.node("button", {type: "button", class: "cm-link", onclick: () => { cm.text(state, ""); read(id, true); }}, cm.t("Try again")));
    }

    // -- pictures
    const chosen = () => model && model.list ? model.list.find((one) => one.id === version) : null;
    const pictures = () => { const one = chosen(); return one && one.pictures.length ? one.pictures : model.pictures; };
    function step(by) { at = Math.max(0, Math.min(pictures().length - 1, at + by)); drawPicture(); }
    function look() { if (cm.viewer && pictures().length) { cm.viewer.open(pictures(), at, {title: model.name, onClose: () => large.focus()}); } }
    function drawPicture() {
        const all = pictures();
        at = Math.min(at, Math.max(0, all.length - 1));
        const one = all[at];
        cover.show(one ? {key: one.small, src: one.small, alt: cm.t("Example picture"), hash: one.hash, level: one.level, sees: cm.marks.sees(model.id, one.level), foreign: true} : null);
        cm.text(label, !all.length ? "" : (at + 1) + " / " + all.length + (one.type === "video" ? " · " + cm.t("Video") : ""));
        back.disabled = at <= 0;
        next.disabled = at >= all.length - 1;
        large.hidden = !cm.viewer || !all.length;
    }

    // -- what is said and done
    async function act(button, versionsWanted, words) {
        const id = model.id;
        const answer = await cm.press(button, state, () => cm.post("browse/collect", {ids: [id], versions: versionsWanted, confirmed: trusts, ticket: cm.ticket()}));
        if (answer && model && model.id === id) { working = answer.job; state.replaceChildren(cm.node("span", {"data-cm-job": answer.job}, words)); }
    }
    const button = (text, primary, press, extra) => { const made = cm.node("button", Object.assign({type: "button", class: "cm-action" + (primary ? " cm-primary" : ""), onclick: () => press(made)}, extra || {}), text); return made; };
    function drawActs() {
        const one = chosen();
        const file = one && one.files.find((other) => other.primary);
        const parts = [];
        if (one && one.files.length) {
            parts.push(button(file && file.size ? cm.t("Download {size}", {size: cm.size(file.size)}) : cm.t("Download"), true, (made) => act(made, [version], cm.t("Being downloaded…")), {disabled: Boolean(file && file.risk) && !trusts, "data-cm-remote": "download"}));
        }
        parts.push(model.mark ? button(cm.t("Open in the library"), false, () => cm.choose(model.id)) : button(cm.t("Register"), !parts.length, (made) => act(made, "", cm.t("Being registered…")), {"data-cm-remote": "register"}));
        if (model.list && model.list.filter((other) => other.files.length).length > 1) {
            const count = model.list.filter((other) => other.files.length).length;
            parts.push(button(cm.t("Download all {count} versions", {count: count}), false, (made) => act(made, "all", cm.t("Being downloaded…")), {"data-cm-remote": "all"}));
        }
        acts.replaceChildren(...parts);
        if (file && file.risk) {
            const box = cm.node("input", {type: "checkbox", onchange: () => { trusts = box.checked; drawActs(); acts.querySelector("input").focus(); }});
            box.checked = trusts;
            acts.append(cm.node("p", {class: "cm-warning"}, file.risk, cm.node("label", {class: "cm-choice-all"}, box, cm.t("I trust its creator"))));
        }
    }
    function draw() {
        if (!model) { return; }
        drawPicture();
        cm.text(title, model.name);
        const parts = [[model.type, true], [model.base, true], [model.downloads ? cm.tn(model.downloads, "{count} download", "{count} downloads") : ""], [model.likes ? cm.tn(model.likes, "{count} like", "{count} likes") : ""]].filter(([text]) => text);
        facts.replaceChildren(...parts.flatMap(([text, data], place) => [place ? " · " : "", cm.node("span", {translate: data ? "no" : null}, text)]));
        makers.replaceChildren(...(model.creator ? [cm.node("button", {type: "button", class: "cm-link", onclick: () => cm.browse({creator: model.creator, sort: "Newest"})}, cm.t("All of {creator}", {creator: model.creator}))] : []),
            ...(model.url ? [cm.node("a", {class: "cm-link", href: model.url, target: "_blank", rel: "noopener noreferrer"}, cm.t("On Civitai"))] : []));
        drawActs();
        versions.parentNode.hidden = !model.list || !model.list.length;
        if (model.list) {
            versions.replaceChildren(...model.list.map((one) => cm.node("option", {value: one.id, translate: "no"}, [one.name, one.base].filter(Boolean).join(" · "))));
            versions.value = String(version);
        }
        drawBody();
    }
    const section = (name, ...children) => cm.node("section", {class: "cm-own-part", "aria-label": name}, cm.node("h3", {}, name), ...children);
    const copied = (word) => cm.node("button", {type: "button", class: "cm-chip", "data-cm-copy": word, title: cm.t("Copy"), translate: "no"}, word);
    function drawBody() {
        const one = chosen();
        if (!model.list) { body.replaceChildren(cm.node("p", {class: "cm-quiet"}, cm.t("Looking at its versions…"))); return; }
        if (!one) { body.replaceChildren(cm.node("p", {class: "cm-quiet"}, cm.t("Civitai lists no version of it."))); return; }
        const parts = [];
        if (one.early) {
            parts.push(cm.node("p", {class: "cm-warning"}, cm.icon("clock"), Date.parse(one.early) ? cm.mixed("In early access, free {when}", {when: cm.moment(one.early)}) : cm.node("span", {}, cm.t("Only for those who have bought it"))));
        }
        if (one.published) { parts.push(cm.node("p", {class: "cm-quiet"}, cm.mixed("Published {when}", {when: cm.moment(one.published)}))); }
        if (one.words.length) { parts.push(section(cm.t("Trigger words"), cm.node("div", {class: "cm-chips"}, ...one.words.map(copied)))); }
        parts.push(section(cm.t("Files"), one.files.length ? cm.node("ul", {class: "cm-list"}, ...one.files.map((file) => cm.node("li", {class: file.risk ? "cm-bad-file" : ""},
            cm.node("span", {class: "cm-path", translate: "no"}, file.name), cm.node("span", {class: "cm-quiet", translate: "no"}, [file.type, file.label].filter(Boolean).join(" · ")), file.risk ? cm.node("span", {}, file.risk) : null)))
            : cm.node("p", {class: "cm-quiet"}, cm.t("Civitai offers no file of this version."))));
        if (model.tags.length) { parts.push(section(cm.t("Tags"), cm.node("div", {class: "cm-chips"}, ...model.tags.map((tag) => cm.node("button", {type: "button", class: "cm-chip", translate: "no", onclick: () => cm.browse({tag: tag})}, "#" + tag))))); }
        for (const [name, text] of [[cm.t("About this version"), one.about], [cm.t("About the model"), model.about]]) {
            if (text) { parts.push(section(name, cm.node("p", {class: "cm-notes", translate: "no"}, text))); }
        }
        body.replaceChildren(...parts);
    }

    // What this panel started has ended: the model is in the library now, and its own panel takes over, in the same place.
    cm.on("jobs", () => {
        const job = working && cm.jobs.get(working);
        if (!job || !job.finished || !model || job.state !== "done") { return; }
        working = "";
        const id = model.id;
        const skipped = (job.result && job.result.skipped) || [];
        if (skipped.length) { cm.say(skipped.map((one) => (one.version ? one.version + ": " : "") + one.message).slice(0, 3).join(" ")); }
        close(true);
        cm.choose(id, version);
    });
    cm.on("marks", () => { if (model) { drawPicture(); } });
    cm.on("remarked", () => {
        const item = model && cm.browsing.list.data.items.find((one) => one.id === model.id);
        if (item && Boolean(item.mark) !== Boolean(model.mark)) { model.mark = item.mark; drawActs(); }
    });
})();
