// On the WebUI's own extra networks cards, while the pointer is on one: its note and base model, open it in our tab, add its trigger words.
// Nothing is done when the cards are drawn: one listener hears the pointer, one overlay moves from card to card, and one request a page of cards asks
// what the library knows of all of them, the first time that one is pointed at.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.hostCards) { return; }

    const MOST = 5000;
    const PAUSE = 200;          // the pointer only passes by
    const EDGE = 10;
    const AGAIN = 15000;        // a page of cards about which nobody could tell is asked for again after this
    const PAGES = {lora: "lora", lycoris: "lora", checkpoints: "checkpoint", textual_inversion: "embedding", hypernetworks: "hypernetwork"};
    const asked = new WeakMap();        // page of cards -> {revision, count, at, known: Map, waiting}
    let revision = 0;
    let current = null;         // the card under the pointer

    cm.switched = (name) => { const place = document.querySelector("[data-cm-switches]"); return Boolean(place && place.dataset.cmSwitches.split(" ").includes(name)); };
    cm.hostCards = {};

    const told = cm.node("div", {class: "cm-card-told", translate: "no"});
    const said = cm.node("span", {class: "cm-card-said", role: "status"});
    const open = cm.node("button", {type: "button", class: "cm-card-button", onclick: () => act((found) => { cm.openTab(); cm.choose(found.model, found.version || 0); hide(); })}, "Open in the manager");
    const words = cm.node("button", {type: "button", class: "cm-card-button", onclick: () => act(addWords)}, "Add trigger words");
    const overlay = cm.node("div", {id: "cm_host_card", class: "cm-host-card", role: "group", "aria-label": "Civitai Manager", hidden: true}, told, cm.node("div", {class: "cm-card-row"}, open, words), said);
    let timer = null;
    const hide = () => { current = null; clearTimeout(timer); overlay.hidden = true; };
    const soon = (card) => { hide(); current = card; timer = setTimeout(() => show(card), PAUSE); };
    overlay.addEventListener("pointerleave", (event) => { if (!(event.relatedTarget instanceof Element) || !current || !current.contains(event.relatedTarget)) { hide(); } });

    // Our own tab in the row of the WebUI's: by its place, because its name may be translated.
    cm.openTab = function () {
        const item = cm.root() && cm.root().closest("#tabs > .tabitem, #tabs [id^='tab_']");
        const items = item ? [...item.parentElement.children].filter((one) => /^tab_/.test(one.id)) : [];
        const buttons = [...document.querySelectorAll("#tabs > .tab-nav > button, #tabs > .tab-wrapper > .tab-container > button, #tabs > .tab-wrapper button[role=tab]")];
        const mine = document.getElementById((item && item.id) + "-button") || buttons[items.indexOf(item)];
        if (mine) { mine.click(); }
    };
    const pageOf = (card) => card.closest("[id$='_cards']");
    const placeOf = (page) => { const parts = page.id.match(/^(txt2img|img2img)_(.+)_cards$/); return parts ? {tab: parts[1], kind: PAGES[parts[2]] || ""} : null; };
    const key = (card) => {
        const path = card.querySelector("[data-clipboard-text]");
        return [path ? path.dataset.clipboardText : "", (card.dataset.name || "").split(/[\\/]/).pop()];
    };
    async function ask(page, place) {
        const cards = [...page.querySelectorAll(".card[data-name]")].slice(0, MOST);
        const before = asked.get(page);
        if (before && before.revision === revision && before.count === cards.length && (before.known || before.waiting || Date.now() - before.at < AGAIN)) { return before.waiting || before.known; }
        const mine = {revision: revision, count: cards.length, at: Date.now(), known: null, waiting: null};
        mine.waiting = cm.get ? cm.postOnce("webui/cards", {cards: cards.map((card) => { const [path, name] = key(card); return [path, place.kind, name]; })}).then((answer) => {
            mine.known = new Map(cards.map((card, number) => [key(card).join("\n"), answer.cards[number]]));
            return mine.known;
        }).catch(() => null).finally(() => { mine.waiting = null; }) : null;
        asked.set(page, mine);
        return mine.waiting;
    }
    async function show(card) {
        const page = pageOf(card);
        const place = page && placeOf(page);
        if (!place) { return; }
        if (!document.querySelector("[data-cm-switches]")) { timer = setTimeout(() => { if (current === card) { show(card); } }, 2 * PAUSE); return; }  // the page has just been opened
        if (!cm.switched("host_cards")) { return; }
        const known = await ask(page, place);
        const found = known && known.get(key(card).join("\n"));
        if (current !== card) { return; }
        if (!found) { hide(); return; }
        card.cmFound = Object.assign({tab: place.tab}, found);
        cm.text(said, "");
        const facts = [found.base_model, found.version_name].filter(Boolean).join(" · ");
        told.replaceChildren(...[facts && cm.node("b", {}, facts), found.note && cm.node("span", {class: "cm-card-note"}, found.note)].filter(Boolean));
        words.hidden = place.kind === "checkpoint";
        put(card);
    }
    function put(card) {
        if (!overlay.isConnected) { document.body.append(overlay); }
        overlay.hidden = false;
        const box = card.getBoundingClientRect();
        overlay.style.width = Math.max(148, Math.round(box.width)) + "px";
        overlay.style.left = Math.round(Math.max(4, Math.min(box.left, window.innerWidth - overlay.offsetWidth - 4))) + "px";
        // At the card's lower edge, or its upper one: the card itself stays free to be clicked. It overlaps a little, so that the pointer can cross over.
        const below = box.bottom - EDGE + overlay.offsetHeight <= window.innerHeight;
        overlay.style.top = Math.round(Math.max(0, below ? box.bottom - EDGE : box.top + EDGE - overlay.offsetHeight)) + "px";
    }
    async function act(run) {
        const found = current && current.cmFound;
        if (found) { try { await run(found); } catch (error) { cm.text(said, cm.sent(error)); } }
    }
    async function addWords(found) {
        const view = await cm.get("models/" + found.model);
        const version = view.versions.find((one) => one.id === found.version) || view.versions[0];
        const set = view.word_sets[0];
        const text = set ? set.words : version ? (version.trained_words || []).join(", ") : "";
        if (!text) { cm.text(said, "It names no trigger words."); return; }
        const now = await cm.host.read(found.tab);
        if (now.prompt.includes(text)) { cm.text(said, "They are in the prompt already."); return; }
        await cm.host.insert(found.tab, text);
        cm.text(said, "Added to the prompt.");
    }

    document.addEventListener("pointerover", (event) => {
        const card = event.target instanceof Element ? event.target.closest(".card[data-name]") : null;
        if (card === current && !overlay.hidden) { return; }
        if (card) { if (card !== current) { soon(card); } }
        else if (current && !overlay.contains(event.target)) { hide(); }
    }, {passive: true});
    document.addEventListener("focusin", (event) => {
        const card = event.target instanceof Element ? event.target.closest(".card[data-name]") : null;
        if (card && card !== current) { current = card; show(card); }
    });
    document.addEventListener("scroll", (event) => { if (current && !overlay.contains(event.target)) { hide(); } }, {capture: true, passive: true});
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && current) { hide(); } });
    cm.on("revision", (now) => { revision = now; });
})();
