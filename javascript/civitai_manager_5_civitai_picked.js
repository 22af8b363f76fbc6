// What is selected of Civitai's answers and taken over together, all of a creator, and what is followed.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.picked) { return; }

    const before = cm.recall("browse-picked", []);
    const ids = new Map(Array.isArray(before) ? before.filter((one) => Array.isArray(one)) : []);  // id -> creator
    const {list, foot, box} = cm.browsing;

    function changed() {
        cm.remember("browse-picked", [...ids]);
        draw();
        list.draw();
    }
    cm.picked = {
        has: (id) => ids.has(id), count: () => ids.size,
        choose: function (item, index, range) {
            if (range) {
                for (let place = Math.min(list.anchor(), index); place <= Math.max(list.anchor(), index); place += 1) { const one = list.item(place); if (one) { ids.set(one.id, one.creator); } }
            } else if (item && ids.has(item.id)) { ids.delete(item.id); } else if (item) { ids.set(item.id, item.creator); }
            changed();
        },
        all: () => { for (const one of list.data.items) { ids.set(one.id, one.creator); } changed(); },
        clear: () => { ids.clear(); changed(); },
    };

    // -- the bar
    const said = cm.node("p", {class: "cm-undo-line", role: "status", hidden: true});
    function tell(...words) { said.hidden = !words.length; said.replaceChildren(...words, ...(words.length ? [cm.button("cross", cm.t("Put this line away"), () => tell())] : [])); }
    async function collect(button, request, words) {
        const answer = await cm.press(button, null, () => cm.post("browse/collect", Object.assign({ticket: cm.ticket()}, request)));
        if (answer) { tell(cm.node("span", {"data-cm-job": answer.job}, words)); }
        return answer;
    }
    async function selected(button, versions) {
        const some = [...ids.keys()];
        const answer = await collect(button, {ids: some, versions: versions, confirmed: false}, versions ? cm.t("Being downloaded…") : cm.t("Being registered…"));
        if (answer) { for (const id of some) { ids.delete(id); } changed(); }
    }
    const tool = (icon, text, act) => { const made = cm.button(icon, text, () => act(made), {class: "cm-action cm-with-text"}); made.append(cm.node("span", {}, text)); return made; };
    const told = cm.node("span", {class: "cm-select-count", role: "status"});
    const register = tool("keep", cm.t("Register"), (button) => selected(button, ""));
    const download = tool("down", cm.t("Download the newest"), (button) => selected(button, "newest"));
    const bar = cm.node("div", {class: "cm-select", role: "toolbar", "aria-label": cm.t("Selected models of Civitai"), hidden: true}, told,
        cm.node("button", {type: "button", class: "cm-link", onclick: () => cm.picked.all()}, cm.t("Select all shown")), cm.node("span", {class: "cm-select-tools"}, register, download),
        cm.button("cross", cm.t("Select nothing (Esc)"), () => { cm.picked.clear(); cm.browsing.focus(); }, {class: "cm-icon cm-select-none"}));
    const creator = cm.node("div", {class: "cm-browse-line", hidden: true});
    foot.append(said, creator, bar);

    function drawCreator() {
        const name = cm.find.filters.creator;
        creator.hidden = !name || ids.size > 0;
        if (creator.dataset.key === name) { return; }
        creator.dataset.key = name;
        const all = (text, versions) => { const made = cm.node("button", {type: "button", class: "cm-action", onclick: () => collect(made, {creator: name, versions: versions}, cm.t("Asking Civitai for all of {creator}…", {creator: name}))}, text); return made; };
        creator.replaceChildren(cm.node("span", {}, cm.t("All of {creator}", {creator: name}), ":"), all(cm.t("Register all"), ""), all(cm.t("Download the newest of each"), "newest"));
    }
    function draw() {
        bar.hidden = !ids.size;
        box.classList.toggle("cm-selecting", ids.size > 0);
        cm.text(told, cm.t("{count} selected", {count: ids.size}));
        drawCreator();
    }

    // -- followed
    let follows = [];
    const rows = cm.node("ul", {class: "cm-pop-list"});
    const line = cm.node("p", {class: "cm-quiet", role: "status"});
    const follow = cm.node("button", {type: "button", class: "cm-action", onclick: () => act(follow, () => cm.post("follows", {search: cm.find.search()}))}, cm.t("Follow this search"));
    const look = cm.node("button", {type: "button", class: "cm-action", onclick: () => act(look, () => cm.post("follows/look", {ticket: cm.ticket()}))}, cm.t("Look for new models"));
    const pop = cm.popover("star", cm.t("Followed creators and searches"), cm.node("div", {class: "cm-pop-stack"}, rows, line, cm.node("div", {class: "cm-pop-row"}, follow, look)), () => { cm.text(line, ""); read(); rows.focus(); });
    cm.find.tools.append(pop, cm.popover("eye", cm.t("Which pictures are shown"), cm.marks.makeBox()));
    async function act(button, ask) {
        const answer = await cm.press(button, line, ask);
        if (answer && answer.job) { line.replaceChildren(cm.node("span", {"data-cm-job": answer.job}, cm.t("Looking…"))); }
        read();
    }
    function row(one) {
        const name = cm.node("button", {type: "button", class: "cm-link cm-saved", onclick: async () => {
            pop.close();
            const {mature, early, mine, ...rest} = one.search;
            cm.browse(Object.assign({sort: "Newest", news: one.news}, rest, early === false ? {early: "0"} : {}, mine ? {mine: "1"} : {}));
            if (one.new) { try { await cm.post("follows/" + one.id + "/read", {seen: one.news}); } catch (error) { /* it stays new */ } }
        }}, cm.node("span", {translate: "no"}, one.name), one.new ? cm.node("b", {}, " " + cm.tn(one.new, "{count} new", "{count} new")) : null);
        return cm.node("li", {}, name, cm.button("cross", cm.t("Stop following {name}", {name: one.name}), (event) => act(event.currentTarget, () => cm.post("follows/" + one.id + "/delete", {}))));
    }
    async function read() {
        try {
            follows = (await cm.get("follows")).follows;
            rows.replaceChildren(...(follows.length ? follows.map(row) : [cm.node("li", {class: "cm-quiet"}, cm.t("Nothing is followed yet. Search for a creator or for words, then follow that search."))]));
            look.disabled = !follows.length;
            const {sort, ...asked} = cm.find.search();
            follow.disabled = !Object.keys(asked).some((name) => ["text", "creator", "tag", "types", "bases", "mine"].includes(name));
        } catch (error) { cm.text(line, cm.sentence(error)); }
    }
    cm.on("jobs", (news) => { if (news.ended.some((job) => job.kind === "follow")) { read(); } });
    cm.on("browse", drawCreator);
    draw();
})();
