// Puts it all together when the tab's nodes appear: navigation, drop target, keys, sizes. A host may add the tab later, or again.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.page) { return; }
    cm.page = true;

    // -- connection mark
    const dot = cm.node("span", {class: "cm-dot"});
    const word = cm.node("span", {class: "cm-connection-word"}, "Connecting");
    const mark = cm.node("button", {type: "button", class: "cm-connection", onclick: () => cm.show("connection")}, dot, cm.node("span", {role: "status"}, word));
    function drawMark() {
        const [now, kept] = [cm.connection, cm.outbox.count()];
        cm.text(word, now.text + (kept ? " · " + cm.t("{count} kept", {count: kept}) : ""));
        mark.classList.toggle("cm-lost", !now.ok);
        cm.attribute(mark, "title", (now.ok ? "The server answers." : now.login ? "Your login has ended; log in again in another tab of this browser, or reload this page. Nothing is lost." :
            "The server does not answer; it is tried again by itself and nothing is lost.") + (kept ? " What you started meanwhile is kept and sent then." : ""));
    }
    cm.on("connection", drawMark);
    cm.on("outbox", drawMark);

    // -- views
    const VIEWS = [["library", "Library"], ["civitai", "Civitai"], ["recipes", "Recipes"], ["updates", "Updates"], ["health", "Health"], ["settings", "Settings"], ["connection", "Connection"]]
        .filter(([name]) => !["civitai", "recipes"].includes(name) || cm[name]);
    const navigation = cm.node("nav", {class: "cm-views", "aria-label": "Views"}, ...VIEWS.map(([name, text]) =>
        cm.node("button", {type: "button", class: "cm-view", "data-view": name, onclick: () => cm.show(name)}, text)));
    cm.show = function (name) {
        const root = cm.root();
        if (!root) { return; }
        root.dataset.cmView = name;
        cm.remember("view", name);
        for (const button of navigation.children) { cm.attribute(button, "aria-current", button.dataset.view === name ? "page" : null); }
        cm.grid.draw();
        cm.emit("view", name);
    };
    cm.focusLinks = function () {
        const field = document.querySelector("#cm_links textarea, #cm_links input");
        if (field) { field.focus(); }
    };

    // -- size: the frame fills what is left of the window, so that grid and panel scroll inside and the tray stays in reach
    function fit() {
        const root = cm.root();
        if (!root || !root.offsetParent) { return; }
        const top = root.getBoundingClientRect().top + window.scrollY;
        const height = Math.max(480, Math.round(window.innerHeight - Math.min(top, 260) - 12));
        if (root.dataset.cmHeight !== String(height)) { root.dataset.cmHeight = String(height); root.style.setProperty("--cm-height", height + "px"); }
        root.classList.toggle("cm-narrow", root.clientWidth <= 760);
        cm.grid.draw();
    }

    // -- notices: put away for this browser tab
    function notices() {
        const away = new Set(cm.recall("notices", []));
        for (const node of document.querySelectorAll("#cm_notices [data-cm-notice]")) { node.hidden = away.has(node.dataset.cmNotice); }
    }

    // -- drop: letting something go over the tab is deliberate, so it is registered at once
    const veil = cm.node("div", {class: "cm-drop", hidden: true}, cm.node("span", {}, "Drop links to register, an image to see how it was made"));
    function carries(event) {
        const types = [...((event.dataTransfer && event.dataTransfer.types) || [])];
        return types.includes("text/uri-list") || types.includes("text/plain") || types.includes("Files");
    }
    async function fileText(file) {
        if (file.size > 65536 || !/\.(url|webloc|txt|desktop)$/i.test(file.name)) { return ""; }
        const text = await file.text();
        if (/\.txt$/i.test(file.name)) { return text; }
        // line by line, and by plain search: a hostile file must not keep the page busy
        const entry = text.split(/\r?\n/).map((line) => line.trim()).find((line) => /^url=./i.test(line));
        if (entry) { return entry.slice(4).trim(); }
        const from = text.indexOf("<string>") + 8;
        const to = text.indexOf("</string>", from);
        return from > 7 && to > from ? text.slice(from, to).trim().replace(/&amp;/g, "&") : "";
    }
    async function dropped(transfer) {
        const image = [...transfer.files].find(cm.isImage);
        if (image) { cm.readImage(image); return; }
        const plain = transfer.getData("text/uri-list") || transfer.getData("text/plain") || "";
        const texts = transfer.files.length ? await Promise.all([...transfer.files].map(fileText)) : [plain.split(/\r?\n/).filter((line) => !line.startsWith("#")).join("\n")];
        const text = texts.map((part) => part.trim()).filter(Boolean).join("\n");
        if (cm.isMade(text)) { cm.readImage(new File([text], "", {type: "text/plain"})); return; }
        if (!text) { cm.say("Nothing in it can be registered. Accepted: links, text, images, and .url, .webloc or .txt files."); return; }
        try { cm.follow((await cm.post("register", {text: text, ticket: cm.ticket()})).job); cm.hurry(); } catch (error) { cm.say(cm.sentence(error)); }
    }
    // An image from the clipboard, or the text of one, while our tab is what one looks at; other text goes where the cursor is, as everywhere.
    const elsewhere = (target) => Boolean(target.closest("input, textarea, [contenteditable]")) && !target.closest("#cm_links");
    document.addEventListener("paste", (event) => {
        const root = cm.root();
        const text = event.clipboardData ? event.clipboardData.getData("text/plain").replace(/\r\n/g, "\n") : "";
        const made = cm.isMade(text) && !(event.target instanceof Element && elsewhere(event.target)) ? new File([text], "", {type: "text/plain"}) : null;
        const image = [...((event.clipboardData && event.clipboardData.files) || [])].find(cm.isImage) || made;
        if (!root || !root.offsetParent || !image || (event.target instanceof Element && event.target !== document.body && !root.contains(event.target))) { return; }
        event.preventDefault();
        event.stopPropagation();
        cm.readImage(image);
    }, true);
    function watchDrop(root) {
        let depth = 0;
        const show = (value) => { veil.hidden = !value; };
        root.addEventListener("dragenter", (event) => { if (carries(event)) { depth += 1; show(true); event.preventDefault(); } });
        root.addEventListener("dragover", (event) => { if (carries(event)) { event.preventDefault(); event.dataTransfer.dropEffect = "copy"; } });
        root.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) { show(false); } });
        root.addEventListener("drop", (event) => {
            depth = 0;
            show(false);
            if (!carries(event)) { return; }
            event.preventDefault();
            event.stopPropagation();
            dropped(event.dataTransfer);
        });
    }

    // -- clicks and keys on what the server drew
    const STARTERS = "#cm_register, #cm_download, #cm_refresh, #cm_test_key";
    function watchClicks(root) {
        root.addEventListener("click", (event) => {
            const target = event.target instanceof Element ? event.target : null;
            if (!target) { return; }
            const chip = target.closest("[data-cm-copy]");
            if (chip) { cm.copy(chip); }
            if (target.closest(STARTERS)) { cm.hurry(); }
            const links = target.closest("#cm_register") && root.querySelector("#cm_links textarea, #cm_links input");
            if (links && !links.value.trim()) { links.focus(); }
            const dismiss = target.closest("[data-cm-dismiss]");
            if (dismiss) {
                const notice = dismiss.closest("[data-cm-notice]");
                cm.remember("notices", [...cm.recall("notices", []), notice.dataset.cmNotice].slice(-50));
                notices();
            }
            const help = root.querySelector(".cm-help[open]");
            if (help && !target.closest(".cm-help")) { help.open = false; }
        });
        root.addEventListener("keydown", (event) => {
            if (event.key === "Enter" && event.target.closest && event.target.closest("#cm_links")) { cm.hurry(); }
            if (event.key !== "Escape" || event.defaultPrevented) { return; }
            const help = root.querySelector(".cm-help[open]");
            if (help) { help.open = false; help.querySelector("summary").focus(); }
            else if (root.classList.contains("cm-panel-open") && !document.querySelector("ul.options, ul.option-list")) { cm.close(); }
        });
    }

    // -- waking up: the first time our root is there, and again when a host replaces it
    let known = null;
    function wake() {
        const root = cm.root();
        if (!root) { return; }
        if (root !== known) {
            known = root;
            cm.grid.list.read();  // gradio draws the places in our root one by one; the cards travel meanwhile
            cm.words.watch(root);
            root.classList.add("cm-ready");
            watchDrop(root);
            watchClicks(root);
            root.append(veil);
            cm.mount("connection", mark);
            cm.mount("navigation", navigation);
            cm.mount("grid", cm.grid.node);
            cm.mount("tray", cm.tray);
            cm.mount("diagnostics", cm.diagnostics);
            cm.show(VIEWS.some(([name]) => name === cm.recall("view", "library")) ? cm.recall("view", "library") : "library");
            if (window.ResizeObserver) { new ResizeObserver(() => fit()).observe(root); }
            cm.poll();
            requestAnimationFrame(() => restoreWhenReady(40));  // when gradio has filled its fields, or it would empty ours again
        }
        for (const toasts of document.querySelectorAll(".toast-wrap")) { cm.words.watch(toasts); }  // gradio says there what our handlers refuse
        if (veil.parentNode !== root) { root.append(veil); }
        fit();
        cm.mountAll();
        cm.answered();
        cm.drawBound();
        notices();
    }
    function restoreWhenReady(tries) {
        if (document.querySelector("#cm_choice textarea, #cm_choice input")) { const view = cm.recall("view", "library"); cm.restore(); cm.show(view); }
        else if (tries) { setTimeout(() => restoreWhenReady(tries - 1), 250); }
    }
    let planned = false;
    const OURS = ".cm-gridbox, .cm-civitai, .cm-tray, .cm-connection, .cm-diagnostics, .cm-page-view, .cm-own, .cm-use, .cm-layer";  // what we draw ourselves needs no second look
    const observer = new MutationObserver((records) => {
        if (records.every((record) => record.target.closest && record.target.closest(OURS))) { return; }
        const root = cm.root();
        if (root && (root !== known || cm.unmounted())) { wake(); return; }  // not a frame later than gradio's own nodes
        if (planned) { return; }
        planned = true;
        requestAnimationFrame(() => { planned = false; wake(); });
    });
    function watch() {
        observer.observe(document.body, {childList: true, subtree: true});
        window.addEventListener("resize", fit);
        wake();
    }
    if (document.body) { watch(); } else { document.addEventListener("DOMContentLoaded", watch); }
})();
