// SockJS's own client against a server: what its users rely on, transport by transport.
//
// The server's application echoes, but for "subscribe:NAME" (answered "subscribed"), "push:NAME:N" (publishes
// "pushed 0" to "pushed N-1" to NAME) and "close:CODE:REASON". Prints a line of JSON a check.
//
// usage: client.js BASE TRANSPORT...   (websocket, xhr-polling; "sockets" for WebSockets without the client)

'use strict';

const SockJS = require('sockjs-client');
const WebSocket = require('faye-websocket').Client;

const TIMEOUT_MS = 20000;
const [base, ...transports] = process.argv.slice(2);

// What SockJS escapes, the edges of those ranges, and what is long in UTF-8.
const CODES = [0, 8, 9, 10, 12, 13, 0x1f, 0x22, 0x2f, 0x5c, 0x7f, 0x80, 0xad, 0x200b, 0x200c, 0x200f, 0x2010, 0x2027,
  0x2028, 0x2029, 0x202f, 0x2030, 0x205f, 0x2060, 0x206f, 0x2070, 0xd7ff, 0xe000, 0xfeff, 0xffef, 0xfff0, 0xfffd,
  0xfffe, 0xffff, 0x10000, 0x1f600, 0x10ffff];
const HARD = CODES.map((code) => String.fromCodePoint(code));

function deadline(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A connection whose messages and close can be waited for. */
class Connection {
  constructor(socket) {
    this.socket = socket;
    this.received = [];
    this.waiting = [];
    this.opened = new Promise((resolve, reject) => {
      socket.onopen = resolve;
      this.refuse = reject;
    });
    this.closed = new Promise((resolve) => {
      socket.onclose = (event) => {
        const error = new Error(`closed: ${event.code} ${event.reason}`);
        this.refuse(error);
        this.waiting.splice(0).forEach((waiter) => waiter.reject(error));
        resolve(event);
      };
    });
    this.opened.catch(() => {});
    socket.onmessage = (event) => {
      const waiter = this.waiting.shift();
      if (waiter) waiter.resolve(event.data);
      else this.received.push(event.data);
    };
  }

  static async sockjs(transport) {
    // The client gives a transport 600 ms; a busy machine needs more.
    const socket = new SockJS(base, null, { transports: [transport], timeout: TIMEOUT_MS });
    const connection = new Connection(socket);
    await deadline(connection.opened, 'open');
    if (socket.transport !== transport) throw new Error(`opened by ${socket.transport}`);
    return connection;
  }

  static async plain(path) {
    const connection = new Connection(new WebSocket(base.replace(/^http/, 'ws') + path));
    await deadline(connection.opened, 'open');
    return connection;
  }

  send(text) {
    this.socket.send(text);
  }

  next() {
    if (this.received.length) return Promise.resolve(this.received.shift());
    const message = new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
    return deadline(message, 'message');
  }

  async expect(texts) {
    for (const [at, text] of texts.entries()) {
      const found = await this.next();
      if (found !== text) {
        const show = (it) => JSON.stringify(it.length > 80 ? `${it.slice(0, 80)}... (${it.length})` : it);
        throw new Error(`message ${at}: ${show(found)}, not ${show(text)}`);
      }
    }
  }

  async end() {
    this.socket.close();
    await deadline(this.closed, 'close');
  }
}

let names = 0;
const name = () => `${process.pid}-${names++}`;

const CHECKS = {
  async 'echoes messages of many sizes in order'(connect) {
    const connection = await connect();
    const texts = [0, 1, 2, 125, 126, 127, 1000, 16384, 30000, 1].map((size, at) => String(at % 10).repeat(size));
    texts.forEach((text) => connection.send(text));
    await connection.expect(texts);
    for (const size of [65535, 65536, 90000]) {
      const text = 'x'.repeat(size);
      connection.send(text);
      await connection.expect([text]);
    }
    await connection.end();
  },

  async 'echoes every kind of character'(connect) {
    const connection = await connect();
    const texts = [...HARD, HARD.join(''), HARD.join('a'), '"]["\\u0041', 'null', 'o', 'h', 'c[1,"a"]', 'a["b"]', 'm:'];
    texts.forEach((text) => connection.send(text));
    await connection.expect(texts);
    await connection.end();
  },

  async 'echoes many at once'(connect) {
    const connection = await connect();
    const texts = Array.from({ length: 500 }, (_, at) => `message ${at}`);
    texts.forEach((text) => connection.send(text));
    await connection.expect(texts);
    await connection.end();
  },

  async 'echoes one after the other'(connect) {
    const connection = await connect();
    for (let at = 0; at < 20; at++) {
      connection.send(`turn ${at}`);
      await connection.expect([`turn ${at}`]);
    }
    await connection.end();
  },

  async 'receives what is published, once and in order'(connect) {
    const [connection, channel] = [await connect(), name()];
    connection.send(`subscribe:${channel}`);
    await connection.expect(['subscribed']);
    for (const count of [1, 20, 3]) {
      connection.send(`push:${channel}:${count}`);
      await connection.expect(Array.from({ length: count }, (_, at) => `pushed ${at}`));
    }
    await connection.end();
  },

  async 'tells the code and reason of a close'(connect) {
    const connection = await connect();
    connection.send('last');
    connection.send('close:3000:Go away!');
    await connection.expect(['last']);
    const event = await deadline(connection.closed, 'close');
    if (event.code !== 3000 || event.reason !== 'Go away!') {
      throw new Error(`closed with ${event.code} ${JSON.stringify(event.reason)}`);
    }
  },

  async 'comes back after it has closed, and after it was closed'(connect) {
    for (let at = 0; at < 5; at++) {
      const connection = await connect();
      connection.send(`again ${at}`);
      await connection.expect([`again ${at}`]);
      if (at % 2) {
        await connection.end();
      } else {
        connection.send('close:4000:come back');
        const event = await deadline(connection.closed, 'close');
        if (event.code !== 4000) throw new Error(`closed with ${event.code}`);
      }
    }
  },

  async 'is one of many'(connect) {
    const connections = await Promise.all(Array.from({ length: 20 }, () => connect()));
    connections.forEach((connection, at) => connection.send(`mine ${at}`));
    await Promise.all(connections.map((connection, at) => connection.expect([`mine ${at}`])));
    await Promise.all(connections.map((connection) => connection.end()));
  },
};

const SOCKETS = {
  async 'a raw socket has no frames'() {
    const connection = await Connection.plain('/websocket');
    const texts = ['["a"]', 'o', HARD.filter((text) => text !== '\ufeff').join('')];
    texts.forEach((text) => connection.send(text));
    await connection.expect(texts);
    await connection.end();
  },

  async 'a framed socket is opened, and ignores what is empty'() {
    const connection = await Connection.plain(`/000/${name()}/websocket`);
    await connection.expect(['o']);
    connection.send('');
    connection.send('[]');
    connection.send('["a"]');
    await connection.expect(['a["a"]']);
    await connection.end();
  },

  async 'a framed socket sends characters that browsers change as escapes'() {
    const connection = await Connection.plain(`/000/${name()}/websocket`);
    await connection.expect(['o']);
    connection.send(JSON.stringify(['\u200c\u2028\u2060\ufff0\u{1f600}\u0000']));
    const found = (await connection.next()).toLowerCase();
    if (found !== 'a["\\u200c\\u2028\\u2060\\ufff0\\ud83d\\ude00\\u0000"]') throw new Error(JSON.stringify(found));
    await connection.end();
  },

  async 'a framed socket is told of a close'() {
    const connection = await Connection.plain(`/000/${name()}/websocket`);
    await connection.expect(['o']);
    connection.send('["close:3000:Go away!"]');
    const event = deadline(connection.closed, 'close');
    // Pushpin sends the close frame of WebSocket alone, other servers SockJS's before it.
    const found = await connection.next().catch(() => null);
    if (found !== null && found !== 'c[3000,"Go away!"]') throw new Error(JSON.stringify(found));
    if (found === null && (await event).code !== 3000) throw new Error(`closed with ${(await event).code}`);
    await event;
  },

  async 'a framed socket that sends no list is dropped'() {
    for (const broken of ['["a', '{}', '[1]']) {
      const connection = await Connection.plain(`/000/${name()}/websocket`);
      await connection.expect(['o']);
      connection.send(broken);
      await deadline(connection.closed, `close after ${broken}`);
    }
  },

  async 'framed sockets can share the name of a session'() {
    const path = `/000/${name()}/websocket`;
    const both = [await Connection.plain(path), await Connection.plain(path)];
    for (const [at, connection] of both.entries()) {
      connection.send(`["${at}"]`);
      await connection.expect(['o', `a["${at}"]`]);
    }
    await Promise.all(both.map((connection) => connection.end()));
  },
};

async function main() {
  for (const transport of transports) {
    const isPlain = transport === 'sockets';
    for (const [check, run] of Object.entries(isPlain ? SOCKETS : CHECKS)) {
      let error = null;
      try {
        await run(() => Connection.sockjs(transport));
      } catch (caught) {
        error = String(caught.message || caught);
      }
      console.log(JSON.stringify({ check: `${transport}: ${check}`, error }));
    }
  }
  process.exit(0);
}

main();
