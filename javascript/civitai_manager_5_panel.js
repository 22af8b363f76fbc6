// The side panel's part of the page: a choice goes to gradio through one hidden field; pictures, copying, and late answers.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.choose) { return; }

    const page = Math.random().toString(36).slice(2, 12);
    const PATIENCE = 6000;
    const PAUSE = 1000;
    let number = 0;
    let wanted = null;      // {text, id, at, tries}: what gradio was asked and has not answered yet
    let model = 0;          // the model in the panel, 0 when it is closed
    let timer = null;
    let drawn = "";         // the model that gradio has drawn last

    function send() {
        const field = document.querySelector("#cm_choice textarea, #cm_choice input");
        if (!field || !wanted) { return; }
        field.value = wanted.text;
        field.dispatchEvent(new Event("input", {bubbles: true}));
        clearTimeout(timer);
        timer = setTimeout(impatient, PATIENCE);
    }
    function impatient() {
        if (!wanted) { return; }
        if (!cm.connection.ok || cm.outbox.entries.length) { timer = setTimeout(impatient, PATIENCE); }  // the question is kept and will be sent: asking twice helps nobody
        else if (wanted.tries < 4) { ask(wanted.id, wanted.version, wanted.tries + 1); }
        else { waiting(false); wanted = null; }
    }
    function ask(id, version, tries) {
        number += 1;
        wanted = {text: [page, number, id, version || 0].join(":"), id: id, version: version || 0, tries: tries || 0};
        send();
    }
    function waiting(value) { const root = cm.root(); if (root) { root.classList.toggle("cm-choosing", value); } }

    cm.choose = function (id, version) {
        model = Number(id);
        if (cm.root().dataset.cmView !== "civitai") { cm.show("library"); }  // beside Civitai's answers it opens where one is
        cm.root().classList.add("cm-panel-open");
        cm.grid.mark(model);
        const shown = document.querySelector("#cm_head [data-cm-choice]");
        const other = !shown || shown.dataset.cmChoice.split(":")[2] !== String(model);
        waiting(other);
        if (other) { const panel = document.getElementById("cm_panel"); if (panel) { panel.scrollTop = 0; } }
        ask(model, version);
        cm.emit("chosen", model);
        cm.grid.draw();
    };
    cm.close = function () {
        model = 0;
        wanted = null;
        clearTimeout(timer);
        cm.root().classList.remove("cm-panel-open", "cm-choosing");
        cm.grid.mark(0);
        if (cm.root().dataset.cmView === "civitai") { cm.browsing.mark(0); cm.browsing.focus(); } else { cm.grid.focus(); }
    };
    cm.restore = function () {
        const id = cm.recall("chosen", 0);
        if (id) { cm.choose(id); }
    };
    cm.chosenModel = () => model;

    // What this page itself asked to be registered: a single model is shown when it is there, unless someone looks at another one meanwhile.
    const mine = new Set();
    const handled = new Set();
    cm.follow = (id) => { if (id) { mine.add(id); } };
    cm.on("jobs", () => {
        const started = document.querySelector("#cm_started [data-cm-job]");
        if (started) { cm.follow(started.dataset.cmJob); }
        for (const id of mine) {
            const job = cm.jobs.get(id);
            if (!job || !job.finished || handled.has(id)) { continue; }
            handled.add(id);
            const found = job.state === "done" && job.result && job.result.registered;
            if (found && found.length === 1 && !model) { cm.choose(found[0].model_id, found[0].version_id); }
        }
    });

    // Something happened to the model that is shown: show it again; the server keeps what was chosen and typed.
    let again = null;
    cm.on("jobs", (news) => {
        if (model && news.ended.some((job) => job.model_id === model)) {
            clearTimeout(again);
            // Also while an answer is awaited: that one may have been made before the job ended.
            again = setTimeout(() => { if (model) { ask(model, wanted ? wanted.version : 0); } }, 400);
        }
    });
    cm.on("restarted", () => { if (model) { ask(model); } });
    cm.on("connection", (now) => { if (now.ok && wanted && !cm.outbox.entries.some((entry) => entry.key)) { ask(wanted.id, wanted.version, wanted.tries); } });

    // gradio has drawn an answer: is it the one that was asked for last?
    cm.answered = function () {
        const head = document.querySelector("#cm_head [data-cm-choice]");
        if (!head) { forget(); }
        if (!head || head.dataset.cmSeen) { return; }
        forget();
        head.dataset.cmSeen = "1";
        if (head.dataset.cmChoice.split(":")[2] !== drawn) {
            drawn = head.dataset.cmChoice.split(":")[2];
            for (const node of document.querySelectorAll("#cm_progress [data-cm-late]")) { node.remove(); }  // gradio knows nothing of it
        }
        if (wanted && head.dataset.cmChoice === wanted.text) { wanted = null; clearTimeout(timer); waiting(false); }
        viewer(head);
    };

    // -- pictures: the thumbnail is ours; example pictures come from Civitai, and only when someone steps to them
    function viewer(head) {
        const place = head.querySelector(".cm-picture");
        if (!place) { return; }
        const thumbnail = place.querySelector("img[data-cm-src]");
        if (thumbnail) {
            thumbnail.addEventListener("error", () => thumbnail.remove());
            cm.marks.picture(thumbnail, Number(thumbnail.dataset.cmLevel), model);  // before it has anything to show
            thumbnail.src = cm.base() + thumbnail.dataset.cmSrc;
        }
        let pictures = [];
        try { pictures = JSON.parse(place.dataset.cmPictures || "[]"); } catch (error) { pictures = []; }
        const close = cm.button("cross", "Close (Esc)", () => cm.close(), {class: "cm-icon cm-close"});
        place.append(close);
        if (!thumbnail) { place.prepend(cm.node("span", {class: "cm-blank"}, cm.icon("box"))); }
        const known = Number(head.dataset.cmChoice.split(":")[2]);  // of the model that is drawn; the panel may already wait for another
        if (known > 0) {
            place.after(cm.node("button", {type: "button", class: "cm-action cm-open-pictures", onclick: () => cm.pictures.open(known, versionShown(known))}, cm.icon("pictures"), cm.node("span", {}, "Pictures")));
        }
        if (!pictures.length) { return; }
        let at = -1;
        const label = cm.node("span", {class: "cm-picture-label"});
        const show = (step) => {
            at = Math.max(-1, Math.min(pictures.length - 1, at + step));
            for (const node of place.querySelectorAll("img:not([data-cm-src]), video, .cm-veil, .cm-picture-failed")) { node.remove(); }
            forget();
            if (thumbnail) { thumbnail.hidden = at >= 0; cm.marks.picture(thumbnail, Number(thumbnail.dataset.cmLevel), model); }
            if (at >= 0) { example(place, pictures[at]); }
            cm.text(label, at < 0 ? cm.tn(pictures.length, "{count} picture on Civitai", "{count} pictures on Civitai") : cm.t("{done} of {total}", {done: at + 1, total: pictures.length}));
            back.disabled = at < 0;
            use.hidden = at < 0;
            whole.hidden = at < 0 || known <= 0;
            next.disabled = at >= pictures.length - 1;
        };
        const back = cm.button("left", "Previous picture", () => show(-1));
        const next = cm.button("right", "Next picture, from Civitai", () => show(1));
        const use = cm.button("check", "Use this picture on the card", () => useOnCard(pictures[at].source));
        const whole = cm.button("whole", "Full screen, with how it was made", () => cm.pictures.look(known, versionShown(known), pictures[at].source));
        place.append(cm.node("span", {class: "cm-picture-bar"}, back, label, whole, use, next));
        show(0);
    }
    // The version that is chosen in the panel, 0 when it is of another model.
    function versionShown(known) {
        const field = document.querySelector("#cm_chosen textarea, #cm_chosen input");
        const [of, version] = ((field && field.value) || "").split(":").map(Number);
        return of === known ? version || 0 : 0;
    }
    async function useOnCard(url) {
        try { await cm.post("models/" + model + "/thumbnail", {url: url, ticket: cm.ticket()}); cm.hurry(); } catch (error) { cm.say(cm.sentence(error)); }
    }
    // A video element has no referrerpolicy: fetched here, so that Civitai does not learn the address of this page. One at a time is kept.
    let fetching = null;
    let kept = "";
    function forget() {
        if (fetching) { fetching.abort(); fetching = null; }
        if (kept) { URL.revokeObjectURL(kept); kept = ""; }
    }
    async function fetchVideo(node, url) {
        forget();
        const mine = fetching = new AbortController();
        const answer = await fetch(url, {referrerPolicy: "no-referrer", credentials: "omit", signal: mine.signal});
        if (!answer.ok) { throw new Error("HTTP " + answer.status); }
        const data = await answer.blob();
        if (fetching !== mine) { return; }
        fetching = null;
        if (node.isConnected) { node.src = kept = URL.createObjectURL(data); }
    }
    function example(place, picture) {
        const video = picture.type === "video";
        const node = cm.node(video ? "video" : "img", {referrerpolicy: video ? null : "no-referrer", alt: video ? null : "Example picture",
            "aria-label": video ? "Example video" : null, controls: video, loop: video, playsinline: video});
        if (video) { node.muted = true; }
        const failed = () => node.replaceWith(cm.node("span", {class: "cm-picture-failed"}, "This picture could not be loaded."));
        node.addEventListener("error", failed);
        const load = () => {
            place.prepend(node);
            if (video) { fetchVideo(node, picture.url).catch(failed); } else { node.src = picture.url; }
        };
        cm.marks.clear(node);  // it is asked for only when it may be seen
        if (cm.marks.shows(picture.level)) { load(); return; }
        const veil = cm.node("button", {type: "button", class: "cm-veil"}, cm.t("{state}: show it", {state: cm.marks.word(picture.level)}));
        veil.addEventListener("click", () => { veil.remove(); load(); });
        place.prepend(veil);
    }

    // -- the note is saved when its field is left. A browser that is closed never leaves it, so a pause in the typing counts as leaving, too.
    let noting = null;
    function saveNote() {
        clearTimeout(noting);
        noting = null;
        const field = document.querySelector("#cm_note textarea, #cm_note input");
        if (field) { field.dispatchEvent(new FocusEvent("blur")); }
    }
    document.addEventListener("input", (event) => {
        if (event.target instanceof Element && event.target.closest("#cm_note")) { clearTimeout(noting); noting = setTimeout(saveNote, PAUSE); }
    });
    document.addEventListener("visibilitychange", () => { if (document.hidden && noting) { saveNote(); } });

    // -- trigger words
    cm.copy = async function (chip) {
        const done = await cm.copyText(chip.dataset.cmCopy);
        chip.classList.add(done ? "cm-copied" : "cm-not-copied");
        chip.title = done ? cm.t("Copied") : cm.t("The browser does not allow copying");
        setTimeout(() => { chip.classList.remove("cm-copied", "cm-not-copied"); chip.title = cm.t("Copy"); }, 1200);
    };
})();
