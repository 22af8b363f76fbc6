// What every other script of ours needs: one namespace, addresses, requests, nodes, and a memory for the page.
// Plain scripts in alphabetic order; loading them twice does nothing the second time.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.core) { return; }
    cm.core = true;

    const TIMEOUT = 5000;
    const PREFIX = "civitai-manager:";

    // The address below which our routes are: gradio knows its sub-path. Only the path of it is used: behind a proxy its scheme and host may be wrong.
    cm.base = function () {
        let root = "./";
        try { root = (window.gradio_config && window.gradio_config.root) || "./"; } catch (error) { /* a frame without it */ }
        const path = new URL(root, window.location.href).pathname.replace(/\/*$/, "/");
        return window.location.origin + path + "civitai-manager/";
    };

    // What the server answered instead of what was asked. ``ours``: the sentence is our own routes', not a proxy's or a half-built host's.
    class Refusal extends Error {
        constructor(told, status, ours) {
            super(told.message || "Something went wrong.");
            this.told = told;
            this.status = status;
            this.ours = Boolean(ours);
        }
        get sentence() { return (cm.words.of(this.message) + " " + cm.words.of(this.told.next_step || "")).trim(); }
    }
    cm.Refusal = Refusal;

    async function ask(path, options, timeout) {
        const controller = new AbortController();
        const outer = options.signal;
        if (outer) { outer.addEventListener("abort", () => controller.abort(), {once: true}); }
        const timer = setTimeout(() => controller.abort(), timeout || TIMEOUT);
        try {
            const answer = await fetch(cm.base() + path, Object.assign({credentials: "same-origin", cache: "no-store"}, options, {signal: controller.signal}));
            let body = null;
            try { body = await answer.json(); } catch (error) { body = null; }
            if (!answer.ok) {
                const told = (body && body.error) || {message: answer.status === 401 ? "You are not logged in." : cm.t("The server answered {status}.", {status: String(answer.status)}),
                    next_step: answer.status === 401 ? "Reload the page and log in." : "Try again."};
                throw new Refusal(told, answer.status, body && body.error);
            }
            if (body === null) { throw new Refusal({message: "The server's answer makes no sense.", next_step: "Reload the page."}, answer.status); }
            return body;
        } finally {
            clearTimeout(timer);
        }
    }
    cm.get = (path, signal, timeout) => ask(path, {signal: signal}, timeout);
    // One attempt. Everything of ours posts with cm.post instead (the outbox), which does not give up.
    cm.postOnce = (path, body) => ask(path, {
        method: "POST", headers: {"X-Civitai-Manager": "1", "Content-Type": "application/json"}, body: JSON.stringify(body || {}),
    }, 15000);
    // One press, one ticket: a request that is sent twice starts one job. Not randomUUID: that is missing on plain http.
    cm.ticket = function () {
        cm.pressed = [...crypto.getRandomValues(new Uint8Array(6))].map((value) => value.toString(16).padStart(2, "0")).join("");
        return cm.pressed;
    };
    cm.sentence = (error) => error instanceof Refusal ? error.sentence : "The server does not answer. It is tried again by itself; nothing is lost.";

    // Nodes. Text always goes through textContent, so no text from outside can become markup.
    cm.node = function (name, attributes, ...children) {
        const node = document.createElement(name);
        for (const [key, value] of Object.entries(attributes || {})) {
            if (value === null || value === undefined || value === false) { continue; }
            if (key === "class") { node.className = value; }
            else if (key.startsWith("on")) { node.addEventListener(key.slice(2), value); }
            else { node.setAttribute(key, value === true ? "" : String(value)); }
        }
        for (const child of children) {
            if (child !== null && child !== undefined) { node.append(child instanceof Node ? child : String(child)); }
        }
        return node;
    };
    // Both compare English with English, so that a text that is shown in another language stays until it is another text.
    cm.text = function (node, text) { if (cm.words.text(node) !== text) { node.textContent = text; } };
    cm.attribute = function (node, name, value) {
        if (value === null || value === undefined) { node.removeAttribute(name); }
        else if (cm.words.attribute(node, name) !== String(value)) { node.setAttribute(name, String(value)); }
    };

    const ICONS = {
        pause: "M7 5h3v14H7zM14 5h3v14h-3z", play: "M8 5v14l11-7z", cross: "M6 6l12 12M18 6L6 18", retry: "M4 12a8 8 0 1 0 3-6.2M7 2v4h4",
        up: "M6 15l6-6 6 6", down: "M6 9l6 6 6-6", left: "M15 6l-6 6 6 6", right: "M9 6l6 6-6 6", check: "M5 13l4 4L19 7", warning: "M12 3l10 18H2zM12 10v5M12 18v.5",
        box: "M3 7l9-4 9 4v10l-9 4-9-4zM3 7l9 4 9-4M12 11v10", filter: "M4 6h16M7 12h10M10 18h4",
        star: "M12 3l2.8 5.8 6.2.9-4.5 4.4 1.1 6.3L12 17.4l-5.6 3 1.1-6.3L3 9.7l6.2-.9z", tag: "M3 4h8l10 10-7 7L4 11zM8 8.5v.5", folder: "M3 6h6l2 3h10v10H3z",
        trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13", fresh: "M12 20V5M5 12l7-7 7 7", eye: "M2 12c5-8 15-8 20 0-5 8-15 8-20 0zM12 10a2 2 0 1 0 .01 0",
        veil: "M2 12c5-8 15-8 20 0-5 8-15 8-20 0zM4 4l16 16", clock: "M12 4a8 8 0 1 0 .01 0M12 8v5l3 2", absent: "M5 3h9l5 5v13H5zM9 12l6 6M15 12l-6 6",
        here: "M3 5h18v11H3zM8 20h8M12 16v4", cloud: "M5 17h13a4 4 0 0 0 0-8 6 6 0 0 0-11-1 5 5 0 0 0-2 9z", away: "M5 17h13a4 4 0 0 0 0-8 6 6 0 0 0-11-1 5 5 0 0 0-2 9zM4 4l16 16", keep: "M6 3h12v18l-6-5-6 5z", minus: "M5 12h14", plus: "M5 12h14M12 5v14",
        info: "M12 3a9 9 0 1 0 .01 0M12 11v6M12 7.5v.5", pictures: "M3 6h13v12H3zM7 3h14v12M3 15l4-4 4 4 2-2 3 3", whole: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
        pencil: "M4 20l1-5L16 4l4 4L9 19zM13 7l4 4",
    };
    const FILLED = new Set(["pause", "play"]);
    cm.icon = function (name) {
        const space = "http://www.w3.org/2000/svg";
        const svg = document.createElementNS(space, "svg");
        svg.setAttribute("viewBox", "0 0 24 24");
        svg.setAttribute("aria-hidden", "true");
        svg.setAttribute("class", "cm-svg" + (FILLED.has(name) ? " cm-filled" : ""));
        const path = document.createElementNS(space, "path");
        path.setAttribute("d", ICONS[name]);
        svg.append(path);
        return svg;
    };
    cm.button = function (icon, label, action, extra) {
        return cm.node("button", Object.assign({type: "button", class: "cm-icon", "aria-label": label, title: label, onclick: action}, extra || {}), cm.icon(icon));
    };

    // Memory over a reload, for this browser tab, or ("everywhere") for the whole browser and longer; a browser that forbids it only forgets.
    const shelf = (everywhere) => everywhere ? window.localStorage : window.sessionStorage;
    cm.remember = function (key, value, everywhere) {
        try { shelf(everywhere).setItem(PREFIX + key, JSON.stringify(value)); } catch (error) { /* private mode */ }
    };
    cm.recall = function (key, otherwise, everywhere) {
        try {
            const found = shelf(everywhere).getItem(PREFIX + key);
            return found === null ? otherwise : JSON.parse(found);
        } catch (error) { return otherwise; }
    };

    cm.copyText = async function (text) {
        try { await navigator.clipboard.writeText(text); return true; } catch (error) { /* not a secure page: the old way */ }
        const field = cm.node("textarea", {class: "cm-hidden"});
        field.value = text;
        cm.root().append(field);
        field.select();
        let done = false;
        try { done = document.execCommand("copy"); } catch (error) { done = false; }
        field.remove();
        return done;
    };

    // Numbers for people; bytes in decimal units, as everywhere in this program.
    cm.size = function (count) {
        const units = ["B", "KB", "MB", "GB", "TB"];
        let unit = 0;
        let value = Number(count) || 0;
        while (value >= 999.95 && unit < 4) { value /= 1000; unit += 1; }
        return value.toFixed(unit === 0 ? 0 : 1) + " " + units[unit];
    };
    cm.sizes = function (done, total) {
        if (!total) { return cm.size(done); }
        const [number, unit] = cm.size(total).split(" ");
        const scale = Math.pow(1000, ["B", "KB", "MB", "GB", "TB"].indexOf(unit));
        const digits = number.includes(".") ? 1 : 0;
        return cm.t("{done} of {total}", {done: (done / scale).toFixed(digits), total: number + " " + unit});
    };
    cm.time = function (seconds) {
        const whole = Math.max(0, Math.round(seconds));
        const two = (value) => String(value).padStart(2, "0");
        const hours = Math.floor(whole / 3600);
        const minutes = Math.floor(whole / 60) % 60;
        return (hours ? hours + ":" + two(minutes) : minutes) + ":" + two(whole % 60);
    };
    cm.clock = function (moment) {
        const when = new Date(moment);
        return [when.getHours(), when.getMinutes(), when.getSeconds()].map((value) => String(value).padStart(2, "0")).join(":");
    };
    cm.count = (value) => Number(value || 0).toLocaleString("en");

    // A few signals between our scripts: "jobs", "revision", "restarted", "connection", "polled", "outbox", "view", "mounted".
    const listeners = new Map();
    cm.on = function (name, listener) {
        if (!listeners.has(name)) { listeners.set(name, []); }
        listeners.get(name).push(listener);
    };
    cm.emit = function (name, value) {
        for (const listener of listeners.get(name) || []) {
            try { listener(value); } catch (error) { console.error("civitai-manager", error); }
        }
    };

    // Places that the server's HTML leaves for us. Our node is put back when gradio draws its HTML anew.
    const mounts = new Map();
    cm.mount = function (name, node) { mounts.set(name, node); cm.mountAll(); };
    // Whether a place is there that waits for its node.
    cm.unmounted = () => [...(cm.root() || document.createElement("div")).querySelectorAll("[data-cm-mount]:empty")].some((place) => mounts.has(place.dataset.cmMount));
    cm.mountAll = function () {
        const root = cm.root();
        if (!root) { return; }
        for (const [name, node] of mounts) {
            const place = root.querySelector('[data-cm-mount="' + name + '"]');
            if (place && node.parentNode !== place) { place.replaceChildren(node); cm.emit("mounted", name); }
        }
    };
    cm.root = () => document.getElementById("civitai_manager");
    cm.words.load();
    cm.app = () => (typeof window.gradioApp === "function" ? window.gradioApp() : document);
})();
