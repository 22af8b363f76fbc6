// What goes out of the library and comes in, at the end of the health view: the whole library as a file, and what other tools know. Whatever comes in
// is looked at first: the report says what would be taken, and its button takes it.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.interchange) { return; }

    const LISTED = 100;
    const OURS = /[\\/]exports[\\/]civitai-manager-library[^\\/]*$/;   // an export from a page, not one of the command line's to wherever it was told
    const UPLOAD = 600000;  // milliseconds that a library may take on its way

    const action = (text, act, extra) => cm.node("button", Object.assign({type: "button", class: "cm-action", onclick: act}, extra || {}), text);
    const section = (title, ...rest) => cm.node("section", {class: "cm-part", "aria-label": title}, cm.node("h3", {}, title), ...rest);
    const data = (text, name) => cm.node("span", {class: name || "", translate: "no"}, text);
    const line = () => cm.node("p", {class: "cm-refused", role: "status"});
    const saveLink = (job) => cm.node("a", {class: "cm-action cm-link-button", href: cm.base() + "exports/" + encodeURIComponent(job), download: ""}, "Save the file");
    const named = (one) => one && typeof one === "object" ? String(one.name || one.url || one.id) : String(one);
    const newest = (kind) => [...cm.jobs.values()].filter((job) => job.kind === kind).sort((a, b) => b.created - a.created)[0];

    // -- the library as a file
    const toldExport = line();
    const exporting = action("Export the library", () => cm.press(exporting, toldExport, () => cm.post("export", {ticket: cm.ticket()})));
    const saved = cm.node("div", {class: "cm-row", hidden: true});
    function drawExport() {
        const job = newest("export");
        const key = job && job.state === "done" && OURS.test(job.result.path) ? job.id : "";
        if (saved.dataset.job === key) { return; }
        saved.dataset.job = key;
        saved.hidden = !key;
        if (key) { saved.replaceChildren(saveLink(key), cm.node("span", {class: "cm-quiet"}, cm.tn(job.result.models, "{count} model", "{count} models") + " · " + cm.tn(job.result.files, "{count} file", "{count} files"))); }
    }

    const file = cm.node("input", {type: "file", accept: ".json,application/json", class: "cm-hidden", tabindex: "-1", "aria-hidden": "true", onchange: () => { if (file.files[0]) { read(file.files[0]); } }});
    const toldImport = line();
    const choosing = action("Import a library…", () => file.click(), {title: "A file that an export has written, on this computer"});
    async function read(chosen) {
        await cm.press(choosing, toldImport, async () => {
            cm.text(toldImport, cm.t("Sending {name}…", {name: chosen.name}));
            const answer = await send(chosen);
            cm.text(toldImport, "");
            return cm.post("import/library", {file: answer.file, dry_run: true, ticket: cm.ticket()});
        });
        file.value = "";
    }
    // Not by the outbox: the file itself is only here, so a line that breaks means that it is chosen again.
    async function send(chosen) {
        const controller = new AbortController();
        const timer = setTimeout(() => controller.abort(), UPLOAD);
        let answer = null;
        try {
            answer = await fetch(cm.base() + "import/file", {method: "POST", credentials: "same-origin", headers: {"X-Civitai-Manager": "1", "Content-Type": "application/octet-stream"}, body: chosen, signal: controller.signal});
        } catch (error) {
            throw new cm.Refusal({message: "The file did not arrive.", next_step: "Choose it again when the server answers."}, 0, true);
        } finally { clearTimeout(timer); }
        const told = await answer.json().catch(() => null);
        if (!answer.ok || !told) { throw new cm.Refusal((told && told.error) || {message: "The file did not arrive.", next_step: "Choose it again."}, answer.status, true); }
        return told;
    }
    const libraryReport = reporter("import_library", (result, options) => cm.post("import/library", {file: result.path.split(/[\\/]/).pop(), dry_run: false, fetch: options.fetch, confirmed: options.trust, ticket: cm.ticket()}), toldImport);

    // -- other tools
    const tool = cm.node("select", {class: "cm-input", "aria-label": "Tool to import from"});
    const folder = cm.node("input", {class: "cm-input cm-wide", "aria-label": "Folder of the tool", placeholder: "Its folder, or a folder with models", autocomplete: "off", spellcheck: "false", translate: "no"});
    const toldTool = line();
    const looking = cm.node("button", {type: "submit", class: "cm-action"}, "Look at what there is");
    const form = cm.node("form", {class: "cm-row cm-import-form", onsubmit: (event) => {
        event.preventDefault();
        if (!folder.value.trim()) { folder.focus(); return; }
        cm.remember("import", {tool: tool.value, path: folder.value.trim()}, true);
        cm.press(looking, toldTool, () => cm.post("import/tool", {tool: tool.value, path: folder.value.trim(), dry_run: true, ticket: cm.ticket()}));
    }}, tool, folder, looking);
    const toolReport = reporter("import", (result) => cm.post("import/tool", {tool: result.tool, path: result.path, dry_run: false, ticket: cm.ticket()}), toldTool);
    async function fillTools() {
        if (tool.options.length) { return; }
        try {
            const before = cm.recall("import", {}, true) || {};
            tool.replaceChildren(...(await cm.get("import/tools")).tools.map((one) => cm.node("option", {value: one.id}, one.name)));
            if (before.tool) { tool.value = before.tool; folder.value = before.path || ""; }
        } catch (error) { cm.text(toldTool, cm.sentence(error)); }
    }

    // -- reports. ``take``: does for good what a dry run has looked at.
    function reporter(kind, take, told) {
        const place = cm.node("div", {class: "cm-report", hidden: true});
        const draw = () => {
            const job = newest(kind);
            const key = job && job.state === "done" && job.result ? job.id : "";
            if (place.dataset.job === key) { return; }
            place.dataset.job = key;
            place.hidden = !key;
            place.replaceChildren(...(key ? reportOf(job, take, told) : []));
        };
        cm.on("jobs", draw);
        return place;
    }
    function reportOf(job, take, told) {
        const result = job.result;
        const {models, counts} = result;
        const parts = [cm.node("h4", {}, result.dry_run ? "What would be taken" : "What was taken"), cm.node("ul", {class: "cm-list"}, ...sums(result).map((text) => cm.node("li", {}, text)))];
        if (result.new.length) { parts.push(fold(cm.tn(models.new, "{count} new model", "{count} new models"), result.new.map((one) => [data(one.name)]), models.new)); }
        if (result.missing && result.missing.files) {
            parts.push(fold(cm.tn(result.missing.files, "{count} file is missing here", "{count} files are missing here"), result.missing.list.map((one) => [data(one.path, "cm-path"), cm.node("span", {class: "cm-quiet"}, cm.size(one.size) + (one.obtainable ? "" : " · not on Civitai"))]), result.missing.files));
        }
        const lists = [["conflicts", "{count} difference: ours is kept", "{count} differences: ours is kept", (one) => [data(one.name || one.where || "", "cm-path"), data(one.field.replace(/_/g, " ")), "ours" in one ? cm.node("span", {class: "cm-quiet"}, cm.t("ours: {ours} · theirs: {theirs}", {ours: String(one.ours), theirs: String(one.theirs)})) : null]],
            ["unreadable", "{count} could not be read", "{count} could not be read", (one) => [data(one.path, "cm-path"), cm.node("span", {class: "cm-quiet"}, one.reason)]],
            ["dangling", "{count} in a collection is not registered", "{count} in collections are not registered", (one) => [data(one.collection || "", "cm-path"), data(String(one.id || ""))]],
            ["notes", "{count} note", "{count} notes", (one) => [one.where ? data(one.where, "cm-path") : null, cm.node("span", {class: "cm-quiet"}, one.note)]],
            ["recipes", "{count} recipe", "{count} recipes", (one) => [data(named(one), "cm-path")]],
            ["deleted", "{count} model was registered there once", "{count} models were registered there once", (one) => [data(named(one), "cm-path")]],
            ["cached_only", "{count} model is only cached there", "{count} models are only cached there", (one) => [data(named(one), "cm-path")]]];
        for (const [name, one, many, draw] of lists) {
            const count = counts[name] || 0;
            if (count) { parts.push(fold(cm.tn(count, one, many), (result[name] || []).map(draw), count)); }
        }
        const buttons = [];
        if (result.dry_run) {
            const fetch = cm.node("input", {type: "checkbox"});
            const trust = cm.node("input", {type: "checkbox"});
            fetch.checked = true;
            const missing = result.missing && result.missing.obtainable;
            const go = action("Import this", () => cm.press(go, told, () => take(result, {fetch: fetch.checked, trust: trust.checked})), {class: "cm-action cm-primary"});
            buttons.push(go, missing ? cm.node("label", {}, fetch, cm.t(" Also download the missing files ({size})", {size: cm.size(result.missing.bytes)})) : null,
                missing ? cm.node("label", {title: "Pickle files can run programs when they are loaded"}, trust, " I trust their creators: also files that can run programs") : null);
        }
        if (job.kind === "import") { buttons.push(cm.node("a", {class: "cm-link", href: cm.base() + "import/reports/" + job.id, download: ""}, "Save the whole report")); }
        return [...parts, cm.node("div", {class: "cm-row"}, ...buttons.filter(Boolean))];
    }
    function sums(result) {
        const {models, taken} = result;
        const found = [cm.t("Models: {new} new, {known} known, {local} not on Civitai, {nothing} without a model here", models)];
        const own = Object.entries(taken).sort().map(([field, count]) => cm.count(count) + " " + field.replace(/_/g, " "));
        if (own.length) { found.push(cm.t("Your own data: {list}", {list: own.join(", ")})); }
        if (result.files) { found.push(cm.t("Files here: {count}", {count: result.files})); }
        for (const one of (result.collections || []).slice(0, LISTED)) {
            found.push(cm.t(one.new ? "New collection “{name}”: {count} added" : "Collection “{name}”: {count} added", {name: one.name, count: one.added}));
        }
        if (result.restore) { found.push("The missing files are being downloaded; see below."); }
        return found;
    }
    function fold(title, rows, count) {
        const more = count - rows.length;
        return cm.node("details", {class: "cm-wrong"}, cm.node("summary", {}, title), cm.node("ul", {class: "cm-list"}, ...rows.map((row) => cm.node("li", {}, ...row))),
            more > 0 ? cm.node("p", {class: "cm-quiet"}, cm.t("and {count} more", {count: more})) : null);
    }

    cm.interchange = cm.node("div", {class: "cm-interchange"},
        section("Your library as a file", cm.node("p", {class: "cm-quiet"}, "Models, files, your notes, tags and collections in one file: to keep, or to build the same library on another computer. An import keeps what is here, and shows first what it would take."),
            cm.node("div", {class: "cm-row"}, exporting, choosing, file), toldExport, toldImport, cm.jobLine(["export"]), saved, cm.jobLine(["import_library"]), libraryReport, cm.jobLine(["restore"])),
        section("From other tools", cm.node("p", {class: "cm-quiet"}, "Takes over what another tool has noted: models, notes, tags, collections. Its own files are only read. The folder is one of the computer that this program runs on."),
            form, toldTool, cm.jobLine(["import"]), toolReport));
    cm.health.append(cm.interchange);
    cm.on("jobs", drawExport);
    cm.on("view", (name) => { if (name === "health") { fillTools(); drawExport(); } });
})();
