// Pictures and videos of Civitai in our own frames: at the size at which they are shown, without telling Civitai where, and only when they may be seen.
// A picture: {url as Civitai gave it, type, level, hash, width, height, ..., kept: the name of its file here, or ""}.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.media) { return; }

    const LADDER = [450, 800, 1200, 1600];      // widths that Civitai keeps
    const PARAMETERS = /^[A-Za-z]+=[^,/]*(,[A-Za-z]+=[^,/]*)*$/;
    const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
    const revealed = new Set();                 // pictures that were pressed, by address

    // -- addresses: HOST/ACCOUNT/UUID/PARAMETERS/NAME; only the UUID and the parameters count. Of another shape: as they are.
    function variant(url, parameters, ending) {
        let address = null;
        try { address = new URL(url); } catch (error) { return url; }
        const steps = address.pathname.split("/");
        if (steps.length >= 3 && PARAMETERS.test(steps[steps.length - 2])) { steps[steps.length - 2] = parameters; }
        else if (steps.length >= 3 && UUID.test(steps[steps.length - 2])) { steps.splice(-1, 0, parameters); }
        else { return url; }
        if (ending) { steps[steps.length - 1] = steps[steps.length - 1].replace(/\.[^.]*$/, "") + ending; }
        address.pathname = steps.join("/");
        return address.href;
    }
    // A picture of ours, not of Civitai: a recipe's, a file of the person's. One of these that nobody has rated is the person's own.
    const mine = (picture) => picture.url.startsWith(window.location.origin + "/") || picture.url.startsWith("blob:");
    const isVideo = (picture) => picture.type === "video" || /\.(mp4|webm|mov)(\?|$)/i.test(picture.url);
    const rung = (width) => LADDER.find((step) => step >= width) || LADDER[LADDER.length - 1];
    const here = (picture, small) => cm.base() + "kept/" + encodeURIComponent(picture.kept) + (small ? "?size=small" : "");
    const still = (picture, width) => picture.kept && (width <= 450 || isVideo(picture)) ? here(picture, true) : picture.kept ? here(picture)
        : isVideo(picture) ? variant(picture.url, "anim=false,transcode=true,width=" + rung(width), ".jpeg") : variant(picture.url, "width=" + rung(width));
    const film = (picture, width) => picture.kept ? here(picture) : variant(picture.url, "transcode=true,width=" + rung(width));
    const original = (picture) => picture.kept ? here(picture) : isVideo(picture) ? picture.url : variant(picture.url, "original=true");

    // -- what may be seen
    const sees = (picture) => cm.marks.shows(picture.level) || revealed.has(picture.url) || (!picture.level && mine(picture));
    cm.on("marks", (setting) => { if (setting) { revealed.clear(); } });

    // A still picture for a frame; blurred by the style until it is marked as clear, which only ``sees`` decides.
    function image(picture, src, alt) {
        const node = cm.node("img", {alt: alt, decoding: "async", draggable: "false", referrerpolicy: "no-referrer", class: sees(picture) ? "cm-clear" : null});
        node.src = src;
        return node;
    }
    // A video element has no referrerpolicy, so it is fetched here. ``give()`` stops it and frees its memory.
    function video(picture, width, attributes) {
        const node = cm.node("video", Object.assign({loop: true, playsinline: true, "aria-label": "Video", class: sees(picture) ? "cm-clear" : null}, attributes));
        const controller = new AbortController();
        let made = "";
        node.muted = true;
        const give = () => { controller.abort(); node.removeAttribute("src"); if (made) { URL.revokeObjectURL(made); made = ""; } };
        const ready = (async () => {
            const foreign = picture.kept ? {credentials: "same-origin"} : {credentials: "omit", referrerPolicy: "no-referrer"};
            const answer = await fetch(film(picture, width), Object.assign({signal: controller.signal}, foreign));
            if (!answer.ok) { throw new Error("HTTP " + answer.status); }
            const data = await answer.blob();
            if (!controller.signal.aborted) { node.src = made = URL.createObjectURL(data); }
        })();
        return {node: node, ready: ready, give: give};
    }

    // -- words
    const level = (picture) => !picture.level && mine(picture) ? "" : cm.marks.word(picture.level);
    function name(picture, place) {
        const number = {number: place + 1};
        const what = place === undefined ? (isVideo(picture) ? "Video" : "Picture") : isVideo(picture) ? cm.t("Video {number}", number) : cm.t("Picture {number}", number);
        return [what, picture.username ? cm.t("by {creator}", {creator: picture.username}) : "", level(picture)].filter(Boolean).join(" · ");
    }

    cm.media = {
        sees: sees, still: still, film: film, original: original, isVideo: isVideo, image: image, video: video, name: name, level: level, mine: mine,
        reveal: (picture) => { revealed.add(picture.url); cm.emit("marks"); },
        // Which bits are asked for: what is only blurred is there, what is left out is not.
        bits: () => { const most = cm.marks.hide(); return most ? [1, 2, 4, 8, 16].filter((bit) => bit <= most).reduce((sum, bit) => sum | bit, 0) : 31; },
        left: (picture) => Boolean(cm.marks.hide()) && !cm.marks.shows(picture.level),
    };

    // A question whose answer may take the server a while: asked again until it is there. ``told({pending, text})`` is called meanwhile.
    cm.patiently = async function (path, signal, told) {
        for (let tries = 0; ; tries += 1) {
            const answer = await cm.get(path, signal, 15000);
            if (answer.pending === undefined) { return answer; }
            if (told) { told(answer); }
            await new Promise((done) => setTimeout(done, tries < 8 ? 250 : 1000));
            if (signal && signal.aborted) { throw new DOMException("", "AbortError"); }
        }
    };

    // A file to our own routes, as it is. One attempt: what was dropped can be dropped again.
    cm.postBytes = async function (path, blob) {
        const answer = await fetch(cm.base() + path, {method: "POST", credentials: "same-origin", headers: {"X-Civitai-Manager": "1", "Content-Type": "application/octet-stream"}, body: blob});
        const told = await answer.json().catch(() => null);
        if (!answer.ok || !told) { throw new cm.Refusal((told && told.error) || {message: cm.t("The server answered {status}.", {status: String(answer.status)}), next_step: "Try again."}, answer.status, told && told.error); }
        return told;
    };

    // A layer over the page: a modal dialog of the browser's, so that focus stays inside, and Esc closes the uppermost only.
    cm.layer = function (name, label, closed) {
        const node = cm.node("dialog", {class: "cm-layer " + name, "aria-label": label});
        let before = null;
        node.addEventListener("close", () => {
            if (node.open) { return; }  // the event comes late: it was opened again meanwhile
            const back = before;
            before = null;
            node.remove();
            closed();
            if (back && back.isConnected && back.offsetParent !== null) { back.focus({preventScroll: true}); } else if (cm.root() && cm.root().offsetParent) { cm.grid.focus(); }
        });
        node.addEventListener("keydown", (event) => { event.stopPropagation(); });  // the host has keys of its own
        return {
            node: node,
            open: () => { if (!node.open) { before = document.activeElement; cm.root().append(node); node.showModal(); } },
            close: () => { if (node.open) { node.close(); } },
        };
    };
})();
