// A card's short video plays while the mouse rests on it, or the keys have chosen it: without sound, one at a time, and only what may be seen. The address
// comes with the card; nothing is asked for before somebody rests there. A phone has no resting finger, so there it stays a picture.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.playing) { return; }

    const PAUSE = 350;              // before it is fetched, so that a mouse on its way fetches nothing
    const BIGGEST = 25000000;       // bytes
    const still = window.matchMedia ? window.matchMedia("(prefers-reduced-motion: reduce)") : {matches: false};

    let on = null;      // what is waited for or plays: {card, id, node, url, stop: AbortController, timer}
    function stop() {
        if (!on) { return; }
        const one = on;
        on = null;
        clearTimeout(one.timer);
        one.stop.abort();
        if (one.node) { one.node.pause(); one.node.removeAttribute("src"); one.node.load(); one.node.remove(); }
        if (one.url) { setTimeout(() => URL.revokeObjectURL(one.url), 1000); }  // it may be reading it just now
        one.card.classList.remove("cm-plays");
    }
    // ``video``: {url, sees: () => whether it may be seen as it is}.
    function start(card, video) {
        if (on && on.card === card && on.id === card.dataset.id) { return; }
        stop();
        if (!video || !video.url || still.matches || !video.sees()) { return; }
        on = {card: card, id: card.dataset.id, sees: video.sees, node: null, url: "", stop: new AbortController(), timer: 0};
        const mine = on;
        mine.timer = setTimeout(() => play(mine, video.url).catch(() => { if (on === mine) { stop(); } }), PAUSE);
    }
    // A video element has no referrerpolicy: fetched here, so that Civitai does not learn the address of this page.
    async function play(mine, address) {
        const answer = await fetch(address, {referrerPolicy: "no-referrer", credentials: "omit", signal: mine.stop.signal});
        if (!answer.ok || Number(answer.headers.get("content-length")) > BIGGEST) { throw new Error("not played"); }
        const data = await answer.blob();
        if (on !== mine || mine.card.dataset.id !== mine.id || !mine.sees()) { return; }
        mine.url = URL.createObjectURL(data);
        mine.node = cm.node("video", {class: "cm-clear cm-video", loop: true, playsinline: true, "aria-hidden": "true", tabindex: "-1"});
        mine.node.muted = true;
        mine.node.src = mine.url;
        const cover = mine.card.querySelector(".cm-cover");
        (cover.querySelector("img") || cover.querySelector(".cm-hash")).after(mine.node);  // below what is said on it
        await mine.node.play();
        mine.card.classList.add("cm-plays");
    }
    // Cells are used again for other cards, and what may be seen can change while it plays.
    function check() { if (on && (!on.card.isConnected || on.card.dataset.id !== on.id || !on.sees())) { stop(); } }

    // For a grid made by cm.virtual. ``videoOf(item)``: {url, sees} or null.
    cm.playing = function (list, videoOf) {
        const of = (card) => { const item = list.item(Number(card.getAttribute("aria-posinset")) - 1); return item ? videoOf(item) : null; };
        list.node.addEventListener("pointerover", (event) => {
            const card = event.pointerType === "mouse" && event.target instanceof Element ? event.target.closest('[role="option"]') : null;
            if (card) { start(card, of(card)); }
        });
        list.node.addEventListener("pointerout", (event) => { if (on && !(event.relatedTarget instanceof Node && on.card.contains(event.relatedTarget))) { stop(); } });
        list.node.addEventListener("keyup", () => requestAnimationFrame(() => {
            const card = document.activeElement === list.node ? list.node.querySelector(".cm-active") : null;
            if (card) { start(card, of(card)); }
        }));
        list.node.addEventListener("blur", stop);
        list.node.addEventListener("scroll", stop, {passive: true});
        new MutationObserver(check).observe(list.node, {subtree: true, childList: true, attributes: true, attributeFilter: ["data-id"]});
    };
    cm.on("marks", check);
    cm.on("view", stop);
    document.addEventListener("visibilitychange", () => { if (document.hidden) { stop(); } });

    cm.playing(cm.grid.list, (item) => item.video ? {
        url: item.video, sees: () => cm.marks.sees(item.id, item.level !== item.nsfw_level ? item.level : item.video_level),
    } : null);
})();
