// Sends messages of random sizes and fragmentations to an echo by the library ws, and compares.
//
// Prints what happened as JSON: how many came back as they were, the extensions agreed on, the close code.
//
// usage: client.mjs URL SEED COUNT COMPRESSION(0 or 1)

import { createRequire } from 'node:module';

// The packages are below target/, where this file is not.
const WebSocket = createRequire(process.env.P8_NODE_MODULES)('ws');

const [url, seed, count, compression] = process.argv.slice(2);
const AHEAD = 200; // messages sent before the first of them is back

// mulberry32
let state = Number(seed) >>> 0;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const below = (n) => Math.floor(random() * n);

// Mostly short, sometimes long, one in fifty empty.
const message = () => {
  const kind = below(100);
  const longest = kind < 2 ? 1 : kind < 92 ? 600 : kind < 99 ? 8000 : 150000;
  const bytes = Buffer.alloc(below(longest));
  for (let n = 0; n < bytes.length; n += 1) bytes[n] = below(256);
  return random() < 0.5 ? { bytes, binary: true } : { bytes: Buffer.from(bytes.toString('base64')), binary: false };
};

// One in three messages in up to five parts.
const send = (socket, { bytes, binary }) => {
  const parts = bytes.length > 0 && random() < 0.33 ? 1 + below(5) : 1;
  let from = 0;
  for (let n = 0; n < parts; n += 1) {
    const fin = n === parts - 1;
    const to = fin ? bytes.length : from + below(bytes.length - from + 1);
    socket.send(bytes.subarray(from, to), { binary, fin });
    from = to;
  }
};

const messages = Array.from({ length: Number(count) }, message);
const socket = new WebSocket(url, { perMessageDeflate: compression === '1' ? { threshold: 0 } : false });
let sent = 0;
let equal = 0;
let extensions = '';
const fill = () => {
  while (sent < messages.length && sent < equal + AHEAD) send(socket, messages[sent++]);
};
const silence = setTimeout(() => socket.terminate(), 120000);
socket.on('open', () => {
  extensions = socket.extensions;
  fill();
});
socket.on('message', (data, binary) => {
  const wanted = messages[equal];
  if (binary !== wanted.binary || !data.equals(wanted.bytes)) return socket.terminate();
  equal += 1;
  if (equal === messages.length) socket.close(4001, 'bye');
  else fill();
});
socket.on('error', (error) => console.error(String(error)));
socket.on('close', (code) => {
  clearTimeout(silence);
  const names = extensions ? extensions.split(',').map((extension) => extension.split(';')[0].trim()) : [];
  console.log(JSON.stringify({ equal, extensions: names, code }));
});
