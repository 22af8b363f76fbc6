// A BlurHash (blurha.sh) drawn to a small canvas: what a picture will roughly look like, before it has come.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.blurhash) { return; }

    const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
    const [WIDTH, HEIGHT] = [16, 20];

    function number(text) {
        let value = 0;
        for (const digit of text) {
            const at = DIGITS.indexOf(digit);
            if (at < 0) { return NaN; }
            value = value * 83 + at;
        }
        return value;
    }
    const linear = (value) => { const part = value / 255; return part <= 0.04045 ? part / 12.92 : Math.pow((part + 0.055) / 1.055, 2.4); };
    const screen = (value) => { const part = Math.max(0, Math.min(1, value)); return Math.round(255 * (part <= 0.0031308 ? part * 12.92 : 1.055 * Math.pow(part, 1 / 2.4) - 0.055)); };
    const signed = (value) => Math.sign(value) * value * value;

    // The pixels of a hash, or null for what is none: it comes from another site.
    function pixels(hash) {
        const head = number(hash.slice(0, 1));
        const [across, down] = [head % 9 + 1, Math.floor(head / 9) + 1];
        if (!(hash.length === 4 + 2 * across * down)) { return null; }
        const most = (number(hash.slice(1, 2)) + 1) / 166;
        const colours = [];
        for (let index = 0; index < across * down; index += 1) {
            const value = number(index ? hash.slice(4 + index * 2, 6 + index * 2) : hash.slice(2, 6));
            if (Number.isNaN(value)) { return null; }
            colours.push(index ? [Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19].map((part) => signed((part - 9) / 9) * most)
                : [value >> 16, (value >> 8) & 255, value & 255].map(linear));
        }
        const data = new Uint8ClampedArray(WIDTH * HEIGHT * 4);
        for (let y = 0; y < HEIGHT; y += 1) {
            for (let x = 0; x < WIDTH; x += 1) {
                const sum = [0, 0, 0];
                for (let index = 0; index < colours.length; index += 1) {
                    const part = Math.cos(Math.PI * x * (index % across) / WIDTH) * Math.cos(Math.PI * y * Math.floor(index / across) / HEIGHT);
                    for (let colour = 0; colour < 3; colour += 1) { sum[colour] += colours[index][colour] * part; }
                }
                data.set([screen(sum[0]), screen(sum[1]), screen(sum[2]), 255], 4 * (y * WIDTH + x));
            }
        }
        return data;
    }

    // Draw it; false when there is nothing to draw.
    cm.blurhash = function (canvas, hash) {
        const data = typeof hash === "string" && hash.length >= 6 ? pixels(hash) : null;
        if (!data) { return false; }
        canvas.width = WIDTH;
        canvas.height = HEIGHT;
        canvas.getContext("2d").putImageData(new ImageData(data, WIDTH, HEIGHT), 0, 0);
        return true;
    };
})();
