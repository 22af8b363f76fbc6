// The WebUI around our tab: sends generation data and pictures into its tabs, reads their fields, adds to their prompts. Alone there is none: ``targets`` is [].
//
// Fields are set by the WebUI's own functions, bound to hidden buttons of ours (ui/host_bridge.py), and the answer comes back in ``cm_told``. The press
// goes through the outbox: on a broken line it is kept and sent later.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.host) { return; }

    const NAMES = ["txt2img", "img2img", "inpaint", "extras"];
    const PATIENCE = 30000;     // while the server answers: the WebUI may be loading a checkpoint
    const LOOK = 60;
    const page = (id) => cm.app().querySelector("#" + id) || document.getElementById(id);
    const fieldOf = (id) => { const place = page(id); return place && place.querySelector("textarea, input"); };
    const button = (target, what) => document.getElementById("cm_send_" + what + "_" + target);
    const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
    const refuse = (sentence) => Promise.reject(new Error(sentence));
    const prefix = (target) => target === "inpaint" ? "img2img" : target;
    cm.sent = (error) => error instanceof cm.Refusal ? error.sentence : error instanceof TypeError ? cm.sentence(error) : error.message || cm.sentence(error);

    // -- sending, one at a time
    let payload = null;
    cm.sending = () => payload ? JSON.stringify(payload) : "";
    let last = Promise.resolve();
    const texts = {};           // what was sent to each tab last: its hashes are nowhere in the fields

    async function press(target, what, more) {
        payload = Object.assign({ticket: cm.ticket()}, more);
        const mine = payload.ticket;
        button(target, what).click();
        let patience = PATIENCE;
        while (patience > 0) {
            await wait(LOOK);
            const told = answerTo(mine);
            if (told && told.error) { throw new Error(told.error); }
            if (told) { return told; }
            if (cm.connection.ok && !cm.outbox.entries.length) { patience -= LOOK; }  // else it is kept, and arrives when the line is back
        }
        throw new Error("The WebUI did not take it in time. Look at its tab before you send it again.");
    }
    function answerTo(ticket) {
        const field = fieldOf("cm_told");
        if (!field || !field.value.includes(ticket)) { return null; }
        try { const told = JSON.parse(field.value); return told.ticket === ticket ? told : null; } catch (error) { return null; }
    }
    // gradio draws its fields a moment after it has the answer.
    async function settled(target, told) {
        const wanted = [["_prompt", told.prompt], ["_neg_prompt", told.negative]].filter(([, text]) => typeof text === "string");
        for (let tries = 0; tries < 40; tries += 1) {
            if (wanted.every(([end, text]) => { const field = fieldOf(prefix(target) + end); return !field || field.value === text; })) { return; }
            await wait(50);
        }
    }

    // -- the picture: kept on the server first, under a key
    async function keep(picture) {
        const url = new URL(picture, cm.base());
        if (url.origin === window.location.origin || ["blob:", "data:"].includes(url.protocol)) {
            const answer = await fetch(url.href, {credentials: "same-origin"});
            if (!answer.ok) { throw new Error("The picture is no longer there. Send its data without it."); }
            return (await upload(await answer.blob())).key;
        }
        const ticket = cm.ticket();
        const job = (await cm.post("webui/fetch", {url: url.href, ticket: ticket})).job;
        return (await cm.jobResult(job)).key;
    }
    async function upload(blob) {
        const answer = await fetch(cm.base() + "webui/picture", {method: "POST", credentials: "same-origin", headers: {"X-Civitai-Manager": "1", "Content-Type": "application/octet-stream"}, body: blob});
        const told = await answer.json().catch(() => ({}));
        if (!answer.ok) { throw new cm.Refusal(told.error || {message: cm.t("The server answered {status}.", {status: String(answer.status)})}, answer.status, told.error); }
        return told;
    }
    // The result of a job of this page when it has ended; rejects with what it failed of.
    cm.jobResult = cm.jobResult || function (id) {
        return new Promise((done, failed) => {
            const look = () => {
                const job = cm.jobs.get(id);
                if (!job || !job.finished) { return; }
                clearInterval(timer);
                if (job.state === "done") { done(job.result || {}); } else { failed(new Error(job.error ? [job.error.message, job.error.next_step].filter(Boolean).join(" ") : "It was stopped.")); }
            };
            const timer = setInterval(look, 100);
            cm.hurry();
            look();
        });
    };

    async function sendNow(target, what) {
        const parts = what.parts || null;
        const infotext = (what.infotext || "").trim() && !(parts && !parts.length) ? what.infotext : "";
        const withPicture = Boolean(what.picture) && Boolean(button(target, "picture"));
        if (!button(target, "text") && !withPicture) { throw new Error("This tab takes a picture, and there is none to send."); }
        if (parts && !parts.length && !withPicture) { throw new Error("Nothing was chosen. Choose at least one part."); }
        if (!infotext && !withPicture) { throw new Error("There is no generation data to send."); }
        if (withPicture) { await press(target, "picture", {picture: await keep(what.picture), parts: parts}); }
        // After the picture: the size of the data counts, not that of the picture, which may be scaled up.
        if (infotext && button(target, "text")) { await settled(target, await press(target, "text", {infotext: infotext, parts: parts, mode: what.mode || "replace"})); texts[prefix(target)] = infotext; }
        call("recalculate_prompts_" + target);
        if (!what.stay && !cm.recall("stay", false, true)) { call("switch_to_" + target); }
    }
    function call(name) { try { if (typeof window[name] === "function") { window[name](); } } catch (error) { console.error("civitai-manager", error); } }

    // -- reading: only fields that are there, and only what they hold
    const number = (id) => { const place = page(id); const field = place && place.querySelector("input[type=number]"); return field && field.value !== "" ? field.value : ""; };
    const choice = (id) => {
        const place = page(id);
        if (!place) { return ""; }
        const ticked = place.querySelector("input[type=radio]:checked");
        const box = place.querySelector("input:not([type=radio]):not([type=checkbox]), select");
        return ticked ? ticked.value : box ? box.value : "";
    };
    const ticked = (id) => { const place = page(id); const box = place && place.querySelector("input[type=checkbox]"); return Boolean(box && box.checked); };
    const shown = (id) => { const place = page(id); return Boolean(place && !place.hidden); };
    // As the WebUI quotes a value in its own text.
    const quoted = (value) => /[,\n:]/.test(value) ? JSON.stringify(value) : value;
    function parameters(tab) {
        const found = [];
        const add = (name, value) => { if (value !== "" && value !== null && value !== undefined) { found.push([name, String(value)]); } };
        add("Steps", number(tab + "_steps"));
        add("Sampler", choice(tab + "_sampling"));
        add("Schedule type", choice(tab + "_scheduler"));
        add("CFG scale", number(tab + "_cfg_scale"));
        const seed = fieldOf(tab + "_seed");
        add("Seed", seed && seed.value !== "" ? seed.value : "");
        const [width, height] = [number(tab + "_width"), number(tab + "_height")];
        if (width && height) { add("Size", width + "x" + height); }
        const [, name, hash] = choice("setting_sd_model_checkpoint").match(/^(.*?)(?: \[([0-9a-f]{8,64})\])?$/i) || [];
        if (hash) { add("Model hash", hash); }
        if (name) { add("Model", name.replace(/\.(safetensors|ckpt|gguf|pt)$/i, "").split(/[\\/]/).pop()); }
        if (ticked(tab + "_subseed_show")) { add("Variation seed", number(tab + "_subseed")); add("Variation seed strength", number(tab + "_subseed_strength")); }
        if (tab === "img2img") { add("Denoising strength", number("img2img_denoising_strength")); }
        if (tab === "txt2img" && (ticked("txt2img_hr-checkbox") || ticked("txt2img_enable_hr"))) {
            add("Denoising strength", number("txt2img_denoising_strength"));
            add("Hires upscale", number("txt2img_hr_scale"));
            add("Hires steps", number("txt2img_hires_steps") === "0" ? "" : number("txt2img_hires_steps"));
            add("Hires upscaler", choice("txt2img_hr_upscaler"));
        }
        add("Clip skip", shown("setting_CLIP_stop_at_last_layers") ? number("setting_CLIP_stop_at_last_layers") : "");
        return found;
    }
    async function read(target) {
        const tab = prefix(target || "txt2img");
        const [prompt, negative] = [fieldOf(tab + "_prompt"), fieldOf(tab + "_neg_prompt")];
        if (!prompt) { return refuse("This WebUI has no such tab, so its fields cannot be read."); }
        const found = parameters(tab);
        const lines = [prompt.value.trim()];
        if (negative && negative.value.trim()) { lines.push("Negative prompt: " + negative.value.trim()); }
        if (found.length) { lines.push(found.map(([name, value]) => name + ": " + quoted(value)).join(", ")); }
        return {infotext: lines.join("\n"), prompt: prompt.value, negative: negative ? negative.value : "", parameters: Object.fromEntries(found)};
    }

    // -- adding to a prompt, as the WebUI's own cards do: in the page, without the server
    function type(field, text) {
        field.value = text;
        if (typeof window.updateInput === "function") { window.updateInput(field); } else { field.dispatchEvent(new Event("input", {bubbles: true})); }
    }
    const joined = (before, more) => !before.trim() ? more : /\s$/.test(before) ? before + more : before.replace(/[,\s]+$/, "") + ", " + more;
    async function insert(target, text, options) {
        const field = fieldOf(prefix(target) + (options && options.negative ? "_neg_prompt" : "_prompt"));
        if (!field) { return refuse("This WebUI has no such prompt."); }
        if (text.trim()) { type(field, joined(field.value, text.trim())); call("recalculate_prompts_" + target); }
        return {prompt: field.value};
    }

    cm.host = {
        get targets() { return NAMES.filter((name) => button(name, "text") || button(name, "picture")); },
        takes: (target, what) => Boolean(button(target, what)),
        // Whether this page has a prompt of a WebUI: adding to it needs nothing else.
        prompts: () => ["txt2img", "img2img"].filter((name) => fieldOf(name + "_prompt")),
        send: function (target, what) {
            if (!cm.host.targets.includes(target)) { return refuse("This WebUI has no such tab to send to. Copy the data instead."); }
            const mine = last.catch(() => {}).then(() => sendNow(target, what || {})).catch((error) => { throw new Error(cm.sent(error)); });
            last = mine;
            return mine;
        },
        read: read,
        sent: (target) => texts[prefix(target)] || "",
        insert: insert,
        show: (target) => call("switch_to_" + target),
        // The checkpoint by its title in the WebUI's list; false where the WebUI has no such way.
        checkpoint: function (title) {
            if (typeof window.selectCheckpoint !== "function" || !page("change_checkpoint")) { return false; }
            window.selectCheckpoint(title);
            return true;
        },
    };
})();
