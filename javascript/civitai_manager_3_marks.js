// What pictures may be seen in this browser: up to a level, those above blurred or not shown at all. The style blurs every picture of ours that is not
// marked as clear, so a picture that nobody has judged yet is never seen as it is.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.marks) { return; }

    const LEVELS = [[1, "PG"], [2, "PG-13"], [4, "R"], [8, "X"], [31, "XXX and unrated"]];
    const STRICTEST = 16;
    const NAMES = {1: "PG", 2: "PG-13", 4: "R", 8: "X", 16: "XXX"};
    const saved = cm.recall("marks", {}, true) || {};
    const setting = {limit: LEVELS.some(([value]) => value === saved.limit) ? saved.limit : 2, above: saved.above === "hide" ? "hide" : "blur"};
    const revealed = new Set();     // what was pressed, until the page is loaded anew: models by id, other pictures by a name such as "image:5"

    // The strictest of some bits; what is unrated, or blocked on Civitai, counts as the strictest.
    function highest(bits) {
        const known = Number(bits) || 0;
        if (!known || known >= 32) { return STRICTEST; }
        return [16, 8, 4, 2, 1].find((bit) => known & bit);
    }
    const shows = (bits) => setting.limit === 31 || highest(bits) <= setting.limit;

    cm.marks = {
        setting: setting, revealed: revealed, shows: shows, LEVELS: LEVELS, set: set,
        // What is said of a picture's level.
        word: (bits) => !(Number(bits) & 31) ? "Not rated" : cm.t("Rated {level}", {level: NAMES[highest(bits)]}),
        // Of a card's picture: the person's own mark of the model goes before what Civitai says of the picture.
        level: (item) => item.level !== item.nsfw_level ? item.level : item.thumbnail_level || item.level,
        sees: (id, bits) => shows(bits) || revealed.has(String(id)),
        hide: () => setting.above === "hide" && setting.limit !== 31 ? setting.limit : 0,
        clear: (node) => node.classList.add("cm-clear"),
        reveal: (id) => { revealed.add(String(id)); cm.emit("marks"); },
        // The picture of a model, before it gets an address; pressing it shows it, here and on its card.
        picture: function (node, bits, id) {
            const judge = () => {
                const seen = cm.marks.sees(id, bits);
                node.classList.toggle("cm-clear", seen);
                if (!node.parentNode) { return; }
                const old = node.parentNode.querySelector(".cm-veil-thumbnail");
                if ((seen || node.hidden) && old) { old.remove(); }
                if (!seen && !old && !node.hidden) {
                    node.after(cm.node("button", {type: "button", class: "cm-veil cm-veil-thumbnail", onclick: () => cm.marks.reveal(id)}, cm.t("{state}: show it", {state: cm.marks.word(bits)})));
                }
            };
            judged = {node: node, judge: judge};
            judge();
        },
    };
    let judged = null;
    cm.on("marks", () => { if (judged && judged.node.isConnected) { judged.judge(); } });
    // Example pictures are marked as clear one by one; with a stricter setting those that are shown go.
    function set(change) {
        Object.assign(setting, change);
        revealed.clear();
        cm.remember("marks", setting, true);
        for (const node of document.querySelectorAll("#cm_head .cm-picture :is(img, video).cm-clear:not([data-cm-src])")) { node.classList.toggle("cm-clear", setting.limit === 31); }
        cm.emit("marks", setting);
        draw();
    }

    // -- the setting, a small box beside the filters of each grid
    const boxes = [];
    cm.marks.makeBox = function () {
        const limit = cm.node("select", {class: "cm-input", "aria-label": "Show pictures up to"}, ...LEVELS.map(([value, text]) => cm.node("option", {value: value}, text)));
        const above = cm.node("select", {class: "cm-input", "aria-label": "Pictures above that"}, cm.node("option", {value: "blur"}, "Blur them"), cm.node("option", {value: "hide"}, "Leave their models out"));
        limit.addEventListener("change", () => set({limit: Number(limit.value)}));
        above.addEventListener("change", () => set({above: above.value}));
        boxes.push([limit, above]);
        draw();
        return cm.node("div", {class: "cm-marks"}, cm.node("label", {}, "Show up to", limit), cm.node("label", {}, "What is above", above),
            cm.node("p", {class: "cm-quiet"}, "For this browser. What nobody has rated counts as the strictest. A press on a blurred picture shows that one."));
    };
    function draw() {
        for (const [limit, above] of boxes) {
            limit.value = String(setting.limit);
            above.value = setting.above;
            above.disabled = setting.limit === 31;
        }
    }
    cm.marks.box = cm.marks.makeBox();
    // Another tab of this browser has changed it.
    window.addEventListener("storage", (event) => {
        if (event.key !== "civitai-manager:marks") { return; }
        const now = cm.recall("marks", null, true);
        if (now && (now.limit !== setting.limit || now.above !== setting.above)) { set(now); }
    });
})();
