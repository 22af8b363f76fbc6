// The view "Civitai": what Civitai answers, in the same grid and on the same cards as the library. Nothing is asked before somebody opens it.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.civitai) { return; }

    const PATIENCE = 8000;  // our own server answers in less than three seconds, also while it waits for Civitai
    const BETWEEN = 150;
    const MARKED = 400;     // cards that are asked about at once

    let shown = false;
    let waits = null;       // {text, seconds}: what the server says while it asks Civitai
    let since = 0;          // when that began here
    let last = null;        // the first page's answer: when it was asked for, and what was wrong since
    let current = 0;        // the model in a panel
    let fresh = new Set();  // what is new of a follow that is looked at

    const nothing = cm.node("div", {class: "cm-empty", hidden: true});
    const told = cm.node("div", {class: "cm-browse-line", role: "status", hidden: true});
    const foot = cm.node("div", {class: "cm-foot"});
    const list = cm.virtual({
        name: "browse-", label: cm.t("Models on Civitai"), by: "cursor", key: cm.find.query, fetchPage: fetchPage, ahead: 30,
        makeCell: cm.card, drawn: drawStates,
        fillCell: (cell, item) => cm.fillCard(cell, item ? card(item) : null, {selected: Boolean(item) && cm.picked.has(item.id), current: Boolean(item) && item.id === current}),
        open: (item) => open(item),
        select: (item, index, range) => cm.picked.choose(item, index, range),
        pressed: (event, item) => { if (!event.target.closest(".cm-reveal")) { return false; } cm.marks.reveal(item.id); return true; },
        keyed: keyed,
    });
    const data = list.data;
    const box = cm.node("div", {class: "cm-browsebox"}, cm.find.node, told, list.node, nothing, foot);
    cm.civitai = cm.node("div", {class: "cm-civitai"}, box);
    cm.browsing = {list: list, box: box, foot: foot, focus: list.focus, draw: list.draw, answer: () => last};

    // -- asking. Our server says at once what it knows, or that it is asking; it is asked again until there is an answer or a failure.
    const pause = (time, signal) => new Promise((done, stopped) => {
        const timer = setTimeout(done, time);
        signal.addEventListener("abort", () => { clearTimeout(timer); stopped(new DOMException("", "AbortError")); }, {once: true});
    });
    function width() { return Math.min(800, Math.ceil((list.shape.width || 180) * Math.min(2, window.devicePixelRatio || 1))); }
    async function fetchPage({cursor, key, signal, again}) {
        const path = "browse?" + key + (key ? "&" : "") + "cursor=" + encodeURIComponent(cursor) + "&page=" + cm.find.page + "&width=" + width();
        since = performance.now();
        for (let first = again; ; first = false) {
            const answer = await cm.get(path + (first ? "&again=1" : ""), signal, PATIENCE);
            if (signal.aborted) { throw new DOMException("", "AbortError"); }
            if (answer.state === "failed") { waits = null; throw new cm.Refusal(answer.error || {}, 502, true); }
            if (answer.state === "ready") {
                waits = null;
                if (!cursor) { last = answer; }
                return Object.assign(answer, {later: answer.renewing ? renewed(path, cursor, answer, signal) : null});
            }
            waits = answer;
            list.draw();
            await pause(BETWEEN, signal);
        }
    }
    // A kept answer was shown; this waits for the newer one. null when there is none.
    async function renewed(path, cursor, old, signal) {
        for (;;) {
            await pause(BETWEEN, signal);
            const answer = await cm.get(path + "&since=" + old.asked, signal, PATIENCE);
            if (answer.state !== "ready" || answer.renewing) { continue; }
            if (!cursor) { last = answer; }
            list.draw();
            return answer.asked > old.asked ? answer : null;
        }
    }
    setInterval(() => { if (shown && data.busy && !data.answered) { drawCount(); } }, 1000);

    // -- cards
    function badges(item) {
        const found = [];
        const mark = item.mark;
        if (mark && mark.broken) { found.push(["warning", cm.t("Broken")]); }
        if (mark && mark.missing && !mark.here.length) { found.push(["absent", cm.t("Missing")]); }
        if (mark && mark.here.includes(item.version_id)) { found.push(["check", cm.t("Downloaded")]); }
        else if (mark && mark.here.length) { found.push(mark.newer === 1 ? ["fresh", cm.t("Update")] : ["box", cm.t("Other version here")]); }
        else if (mark) { found.push(["keep", cm.t("Registered")]); }
        if (fresh.has(item.id)) { found.push(["star", cm.t("New")]); }
        if (item.early) { found.push(["clock", cm.t("Early access")]); }
        if (item.mode) { found.push(["away", item.mode === "Archived" ? cm.t("Archived") : cm.t("Taken down")]); }
        return found;
    }
    const pictureOf = (item) => item.pictures.find((one) => cm.marks.shows(one.level)) || item.pictures[0];
    function card(item) {
        const picture = pictureOf(item);
        return {id: item.id, name: item.name, facts: [item.type, item.base], more: [item.creator ? cm.t("by {creator}", {creator: item.creator}) : ""], badges: badges(item), plain: "",
            favourite: Boolean(item.mark && item.mark.favourite), picture: picture ? {
                key: picture.small, src: picture.small, alt: cm.t("Preview of {name}", {name: item.name}), hash: picture.hash, level: picture.level, sees: cm.marks.sees(item.id, picture.level), foreign: true,
            } : null};
    }

    // -- what is said around them
    const action = (text, act) => cm.node("button", {type: "button", class: "cm-action", onclick: act}, text);
    const remedy = (error) => error && error.told && error.told.remedy === "settings" ? action(cm.t("Open settings"), () => cm.show("settings")) : null;
    const again = () => action(cm.t("Try again"), () => data.retry());
    function drawCount() {
        const number = data.items.length;
        const passed = Math.floor((performance.now() - since) / 1000);
        const seconds = passed < 5 ? passed : passed - passed % 5;  // it is read out
        let text = "";
        if (data.error && !data.answered) { text = ""; }
        else if (!data.answered) { text = waits && waits.text ? cm.t("Civitai: {what}", {what: waits.text}) : seconds > 1 ? cm.t("Asking Civitai, {count} s", {count: seconds}) : cm.t("Asking Civitai…"); }
        else if (data.ended) { text = cm.tn(number, "{count} model", "{count} models"); }
        else if (number) { text = cm.tn(number, "{count} model so far", "{count} models so far"); }
        cm.text(cm.find.count, text);
    }
    function line(key, ...children) {
        told.hidden = !key;
        if (told.dataset.key === key) { return; }
        told.dataset.key = key;
        told.replaceChildren(...children.filter(Boolean));
    }
    function drawLine() {
        if (!data.answered) { line(""); return; }
        const old = last && last.error ? last : null;
        if (data.error) {
            const text = data.items.length ? cm.t("More could not be read.") : "";
            line("error " + cm.sentence(data.error), cm.node("span", {}, [text, cm.sentence(data.error)].filter(Boolean).join(" ")), again(), remedy(data.error));
        } else if (old) {
            const why = (old.error.message + " " + (old.error.next_step || "")).trim();
            line("old " + old.asked + why, cm.node("span", {}, cm.mixed("This is what Civitai said {when}.", {when: cm.moment(old.asked)}), " ", cm.node("span", {}, why)), action(cm.t("Try again"), () => list.reset(true)));
        } else if (data.newer) {
            line("newer", cm.node("span", {}, cm.t("Civitai has a newer answer.")), action(cm.t("Show it"), () => list.reset()));
        } else if (data.items.length && data.items[0].named) {
            line("named " + cm.find.filters.text, cm.node("span", {}, cm.t("This matches the link or id that you entered.")), /^[0-9a-z]+$/i.test(cm.find.filters.text) ? action(cm.t("Search for the words instead"), cm.find.words) : null);
        } else { line(""); }
    }
    function empty(key, title, text, ...buttons) {
        nothing.hidden = !key;
        list.node.hidden = Boolean(key);
        if (nothing.dataset.key === key) { return; }
        nothing.dataset.key = key;
        nothing.replaceChildren(cm.node("h3", {}, title || ""), cm.node("p", {}, text || ""), ...buttons.filter(Boolean));
    }
    function drawStates() {
        drawCount();
        drawLine();
        box.classList.toggle("cm-asking", data.busy);
        const seen = data.pages.reduce((sum, page) => sum + (page.seen || 0), 0);
        if (data.error && !data.answered) { empty("failed " + cm.sentence(data.error), data.error instanceof cm.Refusal ? cm.t("Civitai could not be asked") : cm.t("The list could not be read"), cm.sentence(data.error), again(), remedy(data.error)); }
        else if (data.halted && !data.items.length) { empty("halted " + data.pages.length, cm.t("Nothing so far"), cm.t("Civitai goes on, but none of the {count} models that it has named is what you asked for.", {count: seen}), action(cm.t("Look further"), () => data.retry())); }
        else if (data.ended && !data.items.length) {
            if (cm.find.filters.mine) { empty("mine", cm.t("No favourites"), cm.t("Models that you like on Civitai are shown here."), action(cm.t("Clear filters"), cm.find.clear)); }
            else { empty("none" + cm.marks.hide(), cm.t("Nothing on Civitai matches"), cm.marks.hide() ? cm.t("Another word, fewer filters, or a higher level of pictures.") : cm.t("Another word, or fewer filters."), action(cm.t("Clear filters"), cm.find.clear)); }
        } else { empty(""); }
        if (data.halted && data.items.length) { line("halted " + data.pages.length, cm.node("span", {}, cm.t("Civitai goes on, but its last pages held nothing that you asked for.")), action(cm.t("Look further"), () => data.retry())); }
        cm.emit("browsed");
    }

    // -- choosing
    function open(item) {
        if (item.mark) { current = item.id; cm.closeRemote(); cm.choose(item.id, item.mark.here.length ? undefined : item.version_id); }
        else { if (cm.chosenModel()) { cm.close(); } current = item.id; cm.openRemote(item); }
        list.draw();
    }
    cm.browsing.mark = (id) => { current = id; list.draw(); };
    function keyed(event, item) {
        const key = event.key.toLowerCase();
        if (event.ctrlKey || event.metaKey) {
            if (key !== "a" || event.shiftKey) { return false; }
            cm.picked.all();
        } else if (key === "v" && item) { cm.marks.reveal(item.id); }
        else if (key === "escape" && cm.closeRemote()) { cm.browsing.mark(0); }
        else if (key === "escape" && cm.picked.count() && !cm.root().classList.contains("cm-panel-open")) { cm.picked.clear(); }
        else { return false; }
        return true;
    }

    // Opens the view with a search: {text, creator or username, tag, types, bases, sort, follow: what is new there}.
    cm.browse = function (search) {
        const {username, query, news, ...rest} = search || {};
        fresh = new Set(news || []);
        cm.find.set(Object.assign({}, username ? {creator: username} : {}, query ? {text: query} : {}, rest));
        cm.show("civitai");
    };

    // -- what the library knows changes: one question for all cards that are near
    let dirty = false;
    let planned = null;
    async function remark() {
        dirty = !shown;
        if (!shown || !data.items.length) { return; }
        const middle = Math.floor(list.node.scrollTop / Math.max(1, list.shape.height)) * list.shape.columns;
        const near = data.items.slice(Math.max(0, middle - MARKED / 2), middle + MARKED / 2);
        try {
            const {marks} = await cm.get("browse/marks?ids=" + near.map((one) => one.id).join(","));
            for (const item of near) { item.mark = marks[item.id] || null; }
            list.draw();
            cm.emit("remarked");
        } catch (error) { dirty = true; }
    }
    function renew() { clearTimeout(planned); planned = setTimeout(remark, 500); }

    let asked = "";
    function changed() {
        if (!shown) { return; }
        asked = cm.find.query();
        last = null;
        list.reset();
    }
    cm.on("browse", () => { if (cm.find.query() !== asked) { changed(); } });
    cm.on("browse-focus", list.focus);
    cm.on("marks", (setting) => { if (setting && cm.find.query() !== data.key && shown) { changed(); } else { list.draw(); } });
    cm.on("revision", renew);
    cm.on("restarted", renew);
    cm.on("resized", list.draw);
    cm.on("chosen", (id) => { cm.closeRemote(); current = id; list.draw(); });  // one panel at a time
    cm.on("view", (name) => {
        shown = name === "civitai";
        if (!shown) { return; }
        cm.find.options();
        if (!asked) { asked = cm.find.query(); list.wake(); }
        else if (cm.find.query() !== asked) { changed(); }
        if (dirty) { remark(); }
        list.draw();
    });
    cm.mount("civitai", cm.civitai);
})();
