// One picture at a time, as large as the window: arrows, zoom, swipe, and beside it how it was made.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.viewer) { return; }

    const MOST = 8;             // times the size that fits
    const CLOSER = 2.5;         // a double press
    const SWIPE = 60;           // pixels
    const SHARP = 1.3;          // from here on the original is worth its bytes

    let shown = null;           // {list, index, options}
    let picture = null;
    let film = null;            // the video that is shown
    let frame = null;           // the picture's node
    const view = {scale: 1, x: 0, y: 0};

    // -- its nodes
    const counter = cm.node("span", {class: "cm-viewer-count", role: "status"});
    const name = cm.node("span", {class: "cm-viewer-title", translate: "no"});
    const closer = cm.button("plus", "Zoom in (+)", () => zoom(1.5));
    const farther = cm.button("minus", "Zoom out (-)", () => zoom(1 / 1.5));
    const details = cm.button("info", "How it was made (I)", () => side(!layer.node.classList.contains("cm-with-side")), {"aria-pressed": "true"});
    const head = cm.node("header", {class: "cm-viewer-head"}, counter, name, farther, closer, details, cm.button("cross", "Close (Esc)", () => layer.close()));
    const stage = cm.node("div", {class: "cm-stage", tabindex: "0", role: "group", "aria-roledescription": "picture", "aria-label": "Picture"});
    const back = cm.button("left", "Previous picture (arrow left)", () => step(-1), {class: "cm-icon cm-viewer-back"});
    const next = cm.button("right", "Next picture (arrow right)", () => step(1), {class: "cm-icon cm-viewer-next"});
    const caption = cm.node("p", {class: "cm-viewer-caption"});
    const aside = cm.node("aside", {class: "cm-viewer-side", "aria-label": "How it was made"});
    const main = cm.node("div", {class: "cm-viewer-main"}, cm.node("div", {class: "cm-stagebox"}, stage, back, next), caption);
    const layer = cm.layer("cm-viewer", "Picture viewer", closed);
    layer.node.append(head, cm.node("div", {class: "cm-viewer-body"}, main, aside));

    // -- which picture
    const asList = (pictures) => Array.isArray(pictures) ? {item: (at) => pictures[at], count: () => pictures.length, ended: () => true, more: () => {}} : pictures;
    function open(pictures, index, options) {
        shown = {list: asList(pictures), index: 0, options: options || {}};
        cm.text(name, shown.options.title || "");
        layer.open();
        side(cm.recall("viewer-side", true));
        show(Math.max(0, Math.min(index || 0, shown.list.count() - 1)));
        stage.focus({preventScroll: true});
    }
    function closed() {
        const was = shown;
        forget();
        shown = picture = null;
        aside.replaceChildren();
        if (was && was.options.onClose) { was.options.onClose(was.index); }
    }
    const step = (by) => show(shown.index + by);
    function show(index) {
        if (!shown || index < 0 || index >= shown.list.count()) { return; }
        shown.index = index;
        picture = shown.list.item(index);
        draw();
        aside.replaceChildren(cm.generation(picture, {title: shown.options.title, sent: () => leave()}));
        aside.scrollTop = 0;
        if (index >= shown.list.count() - 3) { shown.list.more(index + 12); }
        for (const place of [index + 1, index - 1]) { preload(shown.list.item(place)); }
    }
    // Everything of ours is put away: the WebUI's own tab is shown now.
    function leave() { layer.close(); if (cm.pictures) { cm.pictures.close(); } }

    function draw() {
        const [at, count] = [shown.index, shown.list.count()];
        cm.text(counter, shown.list.ended() ? cm.t("{number} of {count}", {number: at + 1, count: count}) : cm.t("{number} of {count} so far", {number: at + 1, count: count}));
        back.disabled = at === 0;
        next.disabled = at >= count - 1;
        drawPicture();
        const link = picture.page ? cm.node("a", {href: picture.page, target: "_blank", rel: "noopener noreferrer"}, "Open on Civitai ↗") : null;
        const parts = [picture.username ? cm.mixed("by {name}", {name: cm.node("span", {translate: "no"}, picture.username)}) : null, picture.created ? cm.moment(picture.created) : null, cm.media.level(picture) ? cm.node("span", {}, cm.media.level(picture)) : null,
            picture.width && picture.height ? cm.node("span", {translate: "no"}, picture.width + " × " + picture.height) : null, picture.kept ? cm.node("span", {}, "Kept on this computer") : null, link].filter(Boolean);
        caption.replaceChildren(...parts.flatMap((part, place) => place ? [" · ", part] : [part]));
    }

    // -- the picture itself
    function forget() {
        if (film) { film.give(); film = null; }
        frame = null;
        stage.replaceChildren();
        Object.assign(view, {scale: 1, x: 0, y: 0});
    }
    const width = () => Math.min(1600, Math.max(450, stage.clientWidth * Math.min(2, window.devicePixelRatio || 1)));
    function failed(node) { node.replaceWith(cm.node("p", {class: "cm-viewer-failed"}, "This picture could not be loaded. ", cm.node("button", {type: "button", class: "cm-action", onclick: drawPicture}, "Try again"))); }
    function drawPicture() {
        forget();
        cm.attribute(stage, "aria-label", cm.media.name(picture, shown.index));
        const canvas = cm.node("canvas", {class: "cm-stage-hash", "aria-hidden": "true"});
        if (picture.hash && cm.blurhash(canvas, picture.hash)) {
            if (picture.width && picture.height) { canvas.style.aspectRatio = picture.width + " / " + picture.height; }
            stage.append(canvas);
        }
        closer.disabled = farther.disabled = cm.media.isVideo(picture);
        if (!cm.media.sees(picture)) {  // it is not even asked for
            stage.append(cm.node("button", {type: "button", class: "cm-action cm-stage-veil", onclick: () => { cm.media.reveal(picture); stage.focus(); }}, cm.t("{state}: show it", {state: cm.media.level(picture)})));
            return;
        }
        const mine = picture;
        if (cm.media.isVideo(picture)) {
            film = cm.media.video(picture, 1200, {controls: true, autoplay: !window.matchMedia("(prefers-reduced-motion: reduce)").matches});
            frame = film.node;
            film.ready.then(() => canvas.remove()).catch(() => { if (picture === mine && shown) { failed(frame); } });
        } else {
            frame = cm.media.image(picture, cm.media.still(picture, width()), cm.media.name(picture, shown.index));
            frame.addEventListener("load", () => canvas.remove());
            frame.addEventListener("error", (event) => failed(event.target));
        }
        stage.append(frame);
        place();
    }
    cm.on("marks", () => { if (shown && picture && Boolean(frame) !== cm.media.sees(picture)) { drawPicture(); } });
    function preload(one) {
        if (!one || cm.media.isVideo(one) || !cm.media.sees(one)) { return; }
        const ahead = new Image();
        ahead.referrerPolicy = "no-referrer";
        ahead.src = cm.media.still(one, width());
    }

    // -- zoom and pan: moved by the style, so the picture stays one node
    function place() {
        if (!frame || film) { return; }
        const room = [(view.scale - 1) * stage.clientWidth / 2, (view.scale - 1) * stage.clientHeight / 2];
        view.x = Math.max(-room[0], Math.min(room[0], view.x));
        view.y = Math.max(-room[1], Math.min(room[1], view.y));
        frame.style.transform = view.scale === 1 ? "" : "translate(" + view.x + "px," + view.y + "px) scale(" + view.scale + ")";
        stage.classList.toggle("cm-zoomed", view.scale > 1);
        if (view.scale > SHARP && !frame.dataset.original) { sharpen(frame, picture); }
    }
    // The original takes the place of what is shown when it has come.
    function sharpen(node, one) {
        node.dataset.original = "1";
        const better = new Image();
        better.referrerPolicy = "no-referrer";
        better.addEventListener("load", () => { if (frame === node) { node.src = better.src; } });
        better.src = cm.media.original(one);
    }
    // ``at``: the point that stays where it is, from the middle of the stage.
    function zoom(factor, at) {
        if (!frame || film) { return; }
        const before = view.scale;
        view.scale = Math.max(1, Math.min(MOST, before * factor));
        if (view.scale < 1.02) { view.scale = 1; }
        const [x, y] = at || [0, 0];
        view.x = x - (x - view.x) * view.scale / before;
        view.y = y - (y - view.y) * view.scale / before;
        place();
    }
    function middle(event) { const box = stage.getBoundingClientRect(); return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2]; }
    stage.addEventListener("wheel", (event) => { if (frame && !film) { event.preventDefault(); zoom(Math.exp(-event.deltaY / (event.deltaMode ? 20 : 400)), middle(event)); } }, {passive: false});
    stage.addEventListener("dblclick", (event) => { if (event.target.closest("button")) { return; } zoom(view.scale > 1 ? 1 / view.scale : CLOSER, middle(event)); });

    // Fingers and the mouse: one moves or swipes, two pinch.
    const touches = new Map();
    let gesture = null;
    const spread = () => { const [a, b] = [...touches.values()]; return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1; };
    stage.addEventListener("pointerdown", (event) => {
        if (event.target.closest("button, video")) { return; }
        touches.set(event.pointerId, event);
        gesture = touches.size === 2 ? {spread: spread(), scale: view.scale} : {x: event.clientX, y: event.clientY, left: view.x, top: view.y, touch: event.pointerType !== "mouse"};
        if (view.scale > 1 || touches.size === 2) { try { stage.setPointerCapture(event.pointerId); } catch (error) { /* it has gone already */ } }
    });
    stage.addEventListener("pointermove", (event) => {
        if (!touches.has(event.pointerId) || !gesture) { return; }
        touches.set(event.pointerId, event);
        if (gesture.spread && touches.size === 2) {
            const [a, b] = [...touches.values()];
            zoom(gesture.scale * spread() / gesture.spread / view.scale, middle({clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2}));
        } else if (view.scale > 1 && !gesture.spread) {
            view.x = gesture.left + event.clientX - gesture.x;
            view.y = gesture.top + event.clientY - gesture.y;
            place();
        }
    });
    function released(event) {
        if (!touches.delete(event.pointerId) || !gesture) { return; }
        const [across, down] = [event.clientX - gesture.x, event.clientY - gesture.y];
        if (event.type === "pointerup" && gesture.touch && view.scale === 1 && Math.abs(across) > SWIPE && Math.abs(across) > 1.5 * Math.abs(down)) { step(across < 0 ? 1 : -1); }
        if (!touches.size) { gesture = null; }
    }
    for (const kind of ["pointerup", "pointercancel"]) { stage.addEventListener(kind, released); }
    stage.addEventListener("dragstart", (event) => event.preventDefault());
    window.addEventListener("resize", place);

    // -- keys
    function side(on) {
        layer.node.classList.toggle("cm-with-side", on);
        aside.hidden = !on;
        cm.attribute(details, "aria-pressed", on);
        cm.remember("viewer-side", on);
        requestAnimationFrame(place);
    }
    const KEYS = {ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => show(0), End: () => show(shown.list.count() - 1), "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5),
        "0": () => zoom(1 / view.scale), i: () => side(aside.hidden), v: () => cm.media.reveal(picture)};
    layer.node.addEventListener("keydown", (event) => {
        const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
        if (!act || !shown || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, video")) { return; }
        event.preventDefault();
        act();
    });

    cm.viewer = {open: open, close: layer.close, node: layer.node, index: () => shown ? shown.index : -1, scale: () => view.scale};
})();
