// Pictures of a model: the examples of a version, and what the community has made with it, endless, in a layer over the page. A press opens the viewer.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.pictures) { return; }

    const SORTS = ["Most Reactions", "Most Comments", "Most Collected", "Newest", "Oldest"];
    const PERIODS = [["AllTime", "All time"], ["Year", "Year"], ["Month", "Month"], ["Week", "Week"], ["Day", "Day"]];
    const PAGE = 60;
    const LINGER = 180;         // before a video moves under the mouse

    const state = {model: 0, version: 0, of: "examples", versions: [], told: null, waiting: null};
    let playing = null;

    // -- its nodes
    const option = ([value, text]) => cm.node("option", {value: value}, text);
    const select = (label, options, changed) => { const node = cm.node("select", {class: "cm-input", "aria-label": label}, ...options); node.addEventListener("change", changed); return node; };
    const title = cm.node("h2", {class: "cm-layer-title", translate: "no"});
    const tab = (of, text) => cm.node("button", {type: "button", class: "cm-view", "data-of": of, onclick: () => turn(of)}, text);
    const tabs = cm.node("div", {class: "cm-picture-tabs", role: "group", "aria-label": "Which pictures"}, tab("examples", "Examples"), tab("community", "From the community"));
    const version = select("Version", [], () => { state.version = Number(version.value); ask(); });
    const sort = select("Order", SORTS.map((one) => option([one, one])), () => { cm.remember("pictures-sort", sort.value); ask(); });
    const period = select("Period", PERIODS.map(option), () => { cm.remember("pictures-period", period.value); ask(); });
    const limit = select("Show pictures up to", cm.marks.LEVELS.map(option), () => cm.marks.set({limit: Number(limit.value)}));
    const close = cm.button("cross", "Close (Esc)", () => layer.close(), {class: "cm-icon cm-layer-close"});
    const count = cm.node("span", {class: "cm-count", role: "status"});
    const note = cm.node("p", {class: "cm-quiet cm-picture-note", hidden: true});
    const keep = cm.node("button", {type: "button", class: "cm-action", onclick: keepThem}, "Keep offline");
    const forget = cm.node("button", {type: "button", class: "cm-link", onclick: forgetThem}, "Remove from this computer");
    const kept = cm.node("span", {class: "cm-quiet"});
    const said = cm.node("span", {class: "cm-quiet", role: "status"});
    const line = cm.jobLine(["examples"], () => { if (layer.node.open && state.of === "examples") { list.reload(); ask(true); } });
    const keeping = cm.node("div", {class: "cm-picture-keeping"}, keep, kept, forget, said, line);
    const nothing = cm.node("div", {class: "cm-empty", hidden: true});
    const body = cm.node("div", {class: "cm-picture-body"});
    const layer = cm.layer("cm-gallery", "Pictures", () => { stop(); cm.emit("pictures", null); });
    layer.node.append(cm.node("header", {class: "cm-layer-head"}, title, close), cm.node("div", {class: "cm-layer-filters"}, tabs, version, sort, period, limit, count), note, keeping, body);

    // -- where the pictures come from
    const key = () => JSON.stringify([state.of, state.model, state.version, state.of === "community" ? [sort.value, period.value] : "", cm.media.bits()]);
    async function fetchPage(asked) {
        const told = (answer) => { state.waiting = answer; list.draw(); };
        try {
            return state.of === "examples" ? await examples(asked, told) : await community(asked, told);
        } finally { state.waiting = null; }
    }
    async function examples(asked, told) {
        const answer = await cm.patiently("examples?model=" + state.model + "&version=" + state.version, asked.signal, told);
        if (asked.signal.aborted) { return {items: [], next: ""}; }
        state.told = answer;
        state.version = answer.version_id;
        name(answer);
        return {items: answer.items.filter((one) => !cm.media.left(one)), next: "", left: answer.items.filter(cm.media.left).length};
    }
    async function community(asked, told) {
        const query = new URLSearchParams({model: state.model, version: state.version, cursor: asked.cursor, limit: PAGE, sort: state.version ? sort.value : "Newest",
            period: period.value, level: cm.media.bits(), anew: asked.again ? 1 : 0});
        const path = "gallery?" + query;
        const answer = await cm.patiently(path, asked.signal, told);
        return {items: answer.items, next: answer.next, as_of: answer.as_of, error: answer.error};
    }
    function name(answer) {
        state.versions = answer.versions;
        cm.text(title, answer.title);
        fillVersions();
    }
    function fillVersions() {
        const all = state.of === "community" ? [[0, "All versions"]] : [];
        const wanted = JSON.stringify([all, state.versions]);
        if (version.dataset.key !== wanted) {
            version.dataset.key = wanted;
            version.replaceChildren(...all.map(option), ...state.versions.map((one) => { const node = option([one.id, one.name]); node.setAttribute("translate", "no"); return node; }));
        }
        version.value = String(state.version);
    }

    // -- the grid
    function makeCell() {
        const film = cm.node("span", {class: "cm-badge cm-film", hidden: true, title: "Video"}, cm.icon("play"), cm.node("span", {}, "Video"));
        const saved = cm.node("span", {class: "cm-badge cm-saved-picture", hidden: true, title: "Kept on this computer"}, cm.icon("here"), cm.node("span", {class: "cm-hidden"}, "Kept on this computer"));
        const cover = cm.cover("eye", cm.node("span", {class: "cm-badges"}, film, saved));
        const by = cm.node("span", {class: "cm-card-facts", translate: "no"});
        const cell = {node: cm.node("div", {class: "cm-card cm-picture-card"}, cover.node, by), cover: cover, film: film, saved: saved, by: by, picture: null};
        cell.node.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") { hover(cell); } });
        cell.node.addEventListener("pointerleave", () => { if (playing && playing.cell === cell) { stop(); } });
        return cell;
    }
    function fillCell(cell, picture, place) {
        if (cell.picture !== picture && playing && playing.cell === cell) { stop(); }
        cell.picture = picture;
        cell.node.dataset.url = picture ? picture.url : "";
        cell.film.hidden = !picture || !cm.media.isVideo(picture);
        cell.saved.hidden = !picture || !picture.kept;
        cm.text(cell.by, picture ? picture.username || "" : "");
        cm.attribute(cell.node, "aria-label", picture ? [cm.media.name(picture, place.index), cm.media.sees(picture) ? "" : cm.t("not shown")].filter(Boolean).join(" · ") : "Loading");
        cell.cover.show(picture ? {key: picture.url + (picture.kept ? "+" : ""), src: cm.media.still(picture, 450), alt: "", hash: picture.hash, level: picture.level, sees: cm.media.sees(picture),
            foreign: !picture.kept} : null);
    }
    const list = cm.virtual({
        label: "Pictures", name: "pictures-", by: "cursor", multiple: false, ratio: 1.25, caption: 22, key: key, fetchPage: fetchPage, id: (picture) => picture.url,
        makeCell: makeCell, fillCell: fillCell, drawn: drawn, least: (width) => width < 420 ? 108 : width < 900 ? 150 : 200,
        open: (picture, index) => { stop(); view(index); },
        pressed: (event, picture) => { if (!event.target.closest(".cm-reveal")) { return false; } cm.media.reveal(picture); return true; },
        keyed: (event, picture) => { if (event.key.toLowerCase() !== "v" || event.ctrlKey || event.metaKey || !picture) { return false; } cm.media.reveal(picture); return true; },
    });
    body.append(list.node, nothing);
    cm.on("marks", (setting) => { limit.value = String(cm.marks.setting.limit); if (setting && list.data.key && list.data.key !== key() && layer.node.open) { ask(); } else { list.draw(); } });
    limit.value = String(cm.marks.setting.limit);

    // A video moves while the mouse is on it, and only then is it asked for.
    function hover(cell) {
        stop();
        const picture = cell.picture;
        if (!picture || !cm.media.isVideo(picture) || !cm.media.sees(picture) || window.matchMedia("(prefers-reduced-motion: reduce)").matches) { return; }
        playing = {cell: cell, timer: setTimeout(() => {
            const film = cm.media.video(picture, 450, {autoplay: true, "aria-hidden": "true"});
            playing.film = film;
            film.ready.then(() => { if (playing && playing.film === film) { cell.cover.node.append(film.node); } }).catch(() => {});
        }, LINGER)};
    }
    function stop() {
        if (!playing) { return; }
        clearTimeout(playing.timer);
        if (playing.film) { playing.film.give(); playing.film.node.remove(); }
        playing = null;
    }

    // -- what is said of it
    const button = (text, act) => cm.node("button", {type: "button", class: "cm-action", onclick: act}, text);
    function drawn(data) {
        const shown = data.items.length;
        const wait = state.waiting && state.waiting.pending >= 1 ? (state.waiting.text || cm.t("Civitai has been asked for {count} s", {count: Math.round(state.waiting.pending)})) : "";
        const total = data.ended ? cm.tn(shown, "{count} picture", "{count} pictures") : cm.tn(shown, "{count} picture so far", "{count} pictures so far");
        cm.text(count, [data.busy && !shown ? "Loading…" : total, data.busy ? wait : ""].filter(Boolean).join(" · "));
        const last = data.pages[data.pages.length - 1];
        const stale = data.pages.find((page) => page.error);
        nothing.hidden = !(data.error || data.halted || (data.ended && !shown));
        nothing.classList.toggle("cm-below", shown > 0);
        list.node.hidden = !shown && !nothing.hidden;
        note.hidden = !stale && !(state.of === "community" && !state.version);
        if (!note.hidden) {
            note.replaceChildren(...(stale ? [stale.error.message + " ", cm.mixed("These pictures are as they were {when}.", {when: cm.moment(stale.as_of)})]
                : ["Of all versions together Civitai knows only the newest first, and it may need a minute. One version is found much faster."]));
        }
        drawKeeping();
        if (!nothing.hidden) { drawNothing(data, last); }
    }
    function drawNothing(data, last) {
        const why = data.error ? "error " + cm.sentence(data.error) : data.halted ? "halted" : last && last.left ? "left" : state.of;
        if (nothing.dataset.key === why) { return; }
        nothing.dataset.key = why;
        const again = button("Try again", () => { nothing.dataset.key = ""; list.data.retry(); });
        if (data.error) {
            const rest = state.of === "community" ? [button("Look at the examples", () => turn("examples"))] : [];
            nothing.replaceChildren(cm.node("h3", {}, "The pictures could not be read"), cm.node("p", {}, cm.sentence(data.error)), again, ...rest);
        } else if (data.halted) {
            nothing.replaceChildren(cm.node("p", {}, "Civitai sent several pages without a picture, and says that there are more."), button("Look further", () => { nothing.dataset.key = ""; list.data.retry(); }));
        } else if (why === "left") {
            nothing.replaceChildren(cm.node("h3", {}, "Nothing to show"), cm.node("p", {}, "All pictures of this version are above the level that you chose, and those are left out."));
        } else if (state.of === "examples") {
            nothing.replaceChildren(cm.node("h3", {}, "No examples"), cm.node("p", {}, "Its creator shows no picture of this version."), button("Look at the community's", () => turn("community")));
        } else {
            nothing.replaceChildren(cm.node("h3", {}, "No pictures"), cm.node("p", {}, "Civitai shows none of this version, period and level. It also answers so when its search ran out of time."), again);
        }
    }
    function drawKeeping() {
        const told = state.told;
        keeping.hidden = state.of !== "examples" || !told || !told.items.length;
        if (keeping.hidden) { return; }
        const whole = told.kept.count === told.items.length;
        keep.hidden = whole || !told.limit;
        forget.hidden = !told.kept.count;
        cm.text(kept, told.kept.count ? cm.tn(told.kept.count, "{count} picture is kept here ({size})", "{count} pictures are kept here ({size})", {size: cm.size(told.kept.bytes)})
            : told.limit ? cm.t("Kept pictures take {size} of {total}", {size: cm.size(told.used), total: cm.size(told.limit)}) : "");
    }
    async function keepThem() {
        await cm.press(keep, said, () => cm.post("examples/keep", {model: state.model, version: state.version, ticket: cm.ticket()}));
    }
    async function forgetThem() {
        if (await cm.press(forget, said, () => cm.post("examples/forget", {version: state.version}))) { ask(); }
    }

    // -- opening and turning
    function view(index) {
        cm.viewer.open({item: list.item, count: () => list.data.items.length, ended: () => list.data.ended, more: (at) => list.data.need(at, at + 1)}, index, {title: title.textContent, onClose: (at) => { list.move(at); list.focus(); }});
    }
    function turn(of) {
        state.of = of;
        if (of === "examples" && !state.version && state.versions.length) { state.version = state.versions[0].id; }
        cm.text(said, "");
        ask();
    }
    // ``quietly``: the same again, because something about it changed.
    function ask(quietly) {
        for (const button of tabs.children) { cm.attribute(button, "aria-current", button.dataset.of === state.of ? "true" : null); cm.attribute(button, "aria-pressed", button.dataset.of === state.of); }
        const community = state.of === "community";
        for (const node of [sort, period]) { node.hidden = !community; }
        sort.disabled = !state.version;
        sort.value = state.version ? cm.recall("pictures-sort", SORTS[0]) : "Newest";
        period.value = cm.recall("pictures-period", "AllTime");
        fillVersions();
        nothing.dataset.key = "";
        if (!quietly) { stop(); list.reset(); } else { list.data.reload(true); }
    }
    // ``of``: "examples" or "community"; ``version`` 0: the first one with pictures.
    async function open(model, wanted, of) {
        Object.assign(state, {model: Number(model), version: Number(wanted) || 0, of: of || "examples", versions: [], told: null});
        cm.text(title, "");
        cm.text(said, "");
        layer.open();
        ask();
        list.wake();
        list.focus();
        if (state.of === "community") { cm.patiently("examples?model=" + state.model).then((answer) => { if (answer.model_id === state.model) { name(answer); } }).catch(() => {}); }
    }
    // Straight to one of a version's examples.
    async function look(model, wanted, url) {
        try {
            const answer = await cm.patiently("examples?model=" + model + "&version=" + wanted);
            const found = answer.items.filter((one) => !cm.media.left(one) || one.url === url);
            cm.viewer.open(found, found.findIndex((one) => one.url === url), {title: answer.title});
        } catch (error) { cm.say(cm.sentence(error)); }
    }
    cm.pictures = {open: open, look: look, close: layer.close, list: list, state: state};
})();
