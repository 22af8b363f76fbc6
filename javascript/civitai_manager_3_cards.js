// A card: a picture that is blurred or left out as the person has set it, what is said on it, and two lines below. The same for every grid of ours.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.card) { return; }

    // A picture's place by itself: {node, show(picture)}. A picture: {key: equal while it is the same one, src, alt, hash: BlurHash, level, sees: whether it
    // may be seen as it is, foreign: whether it comes from another site}; null for none. One above the person's level is blurred, or not asked for at all.
    cm.cover = function (icon, ...rest) {
        const blank = cm.node("span", {class: "cm-blank"}, cm.icon(icon || "box"));
        const canvas = cm.node("canvas", {class: "cm-hash", hidden: true, "aria-hidden": "true"});
        const reveal = cm.node("span", {class: "cm-reveal", translate: "yes", "aria-hidden": "true", title: "Show this picture (V)", hidden: true}, cm.icon("eye"), cm.node("span"));
        const node = cm.node("span", {class: "cm-cover"}, blank, canvas, ...rest, reveal);
        let [image, shown, hashed] = [null, null, null];
        const card = () => node.parentNode || node;

        // A new picture is a new node: an old one goes on showing what it showed until its next picture has come, and that one may be blurred.
        function put(picture) {
            card().classList.remove("cm-loaded");
            if (image) { image.remove(); image = null; }
            if (!picture || !picture.src || (!picture.sees && cm.marks.hide())) { return; }
            const mine = cm.node("img", {alt: picture.alt || "", loading: "lazy", decoding: "async", draggable: "false", class: picture.sees ? "cm-clear" : null,
                referrerpolicy: picture.foreign ? "no-referrer" : null});
            mine.addEventListener("load", () => { if (image === mine) { card().classList.add("cm-loaded"); } });
            mine.addEventListener("error", () => { mine.hidden = true; });
            mine.src = picture.src;
            image = mine;
            canvas.after(mine);
        }
        function blur(hash) {
            if (hashed === hash) { return; }
            hashed = hash;
            canvas.hidden = !hash || !cm.blurhash(canvas, hash);
            card().classList.toggle("cm-hashed", !canvas.hidden);
        }
        function show(picture) {
            const veiled = Boolean(picture && picture.src && !picture.sees);
            reveal.hidden = !veiled;
            cm.text(reveal.lastChild, veiled ? cm.marks.word(picture.level) : "");
            const key = picture ? picture.key + (picture.sees ? "" : "?" + cm.marks.setting.above) : "";
            if (shown === key) { return; }
            shown = key;
            put(picture);
            blur(picture && picture.src ? picture.hash || "" : "");
        }
        return {node: node, show: show};
    };

    cm.card = function () {
        const badges = cm.node("span", {class: "cm-badges", translate: "yes"});
        const star = cm.node("span", {class: "cm-star", translate: "yes", hidden: true}, cm.icon("star"), cm.node("span", {class: "cm-hidden"}, "Favourite"));
        // For the mouse and the finger; with keys the same is done by Space and V.
        const tick = cm.node("span", {class: "cm-tick", translate: "yes", "aria-hidden": "true", title: "Select (Space)"}, cm.node("span", {}, cm.icon("check")));
        const cover = cm.cover("box", badges, star, tick);
        const name = cm.node("span", {class: "cm-name"});
        const facts = cm.node("span", {class: "cm-card-facts"});
        return {node: cm.node("div", {class: "cm-card", translate: "no"}, cover.node, name, facts), cover: cover, name: name, facts: facts, badges: badges, star: star, key: ""};
    };

    // ``told``: null while it is on the way, else {id, name, facts: [text], more: [text for the ear only, ours], badges: [[icon, word]], plain: said when there is
    // no badge, favourite, picture: as cm.cover takes it}. ``marks``: {selected, current}.
    cm.fillCard = function (cell, told, marks) {
        cm.attribute(cell.node, "aria-selected", Boolean(told) && marks.selected);
        cm.attribute(cell.node, "aria-current", told && marks.current ? "true" : null);
        const key = told ? JSON.stringify(told) + cm.marks.setting.above + cm.words.language : "wait";
        if (cell.key === key) { return; }
        cell.key = key;
        cell.node.dataset.id = told ? told.id : "";
        const facts = told ? told.facts.filter(Boolean) : [];
        cm.text(cell.name, told ? told.name : "");
        cm.text(cell.facts, facts.join(" · "));
        cell.node.title = told ? told.name : "";
        const signs = told ? told.badges : [];
        cell.badges.replaceChildren(...signs.map(([icon, word], place) =>
            cm.node("span", {class: "cm-badge", title: word, "data-badge": word}, cm.icon(icon), cm.node("span", {class: place ? "cm-hidden" : null}, word))));
        cell.star.hidden = !(told && told.favourite);
        const picture = told ? told.picture : null;
        cell.cover.show(picture);
        const states = told ? [...signs.map((sign) => sign[1]), ...(signs.length || !told.plain ? [] : [told.plain]), told.favourite ? "Favourite" : "",
            picture && picture.src && !picture.sees ? cm.t("{state}, picture not shown", {state: cm.marks.word(picture.level)}) : ""] : [];
        cm.attribute(cell.node, "aria-label", told ? [told.name, ...facts, ...(told.more || []), ...states].filter(Boolean).map((one, at) => at <= facts.length ? one : cm.words.of(one)).join(", ") : cm.t("Loading"));
    };
})();
