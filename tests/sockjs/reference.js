// SockJS's own server with the application that client.js and raw.py expect: it tests the tests.
//
// usage: reference.js   (prints its port)

'use strict';

const http = require('http');
const sockjs = require('sockjs');

const subscribers = new Map();

function application(connection) {
  connection.on('data', (text) => {
    if (typeof text !== 'string') return connection.close();
    const [verb, name, rest] = text.split(':');
    if (verb === 'subscribe') {
      subscribers.set(name, connection);
      connection.write('subscribed');
    } else if (verb === 'push') {
      const to = subscribers.get(name);
      for (let at = 0; to && at < Number(rest); at++) to.write(`pushed ${at}`);
    } else if (verb === 'close') {
      connection.close(Number(name), rest);
    } else {
      connection.write(text);
    }
  });
}

const server = http.createServer();
const echo = sockjs.createServer({ prefix: '/echo', log: () => {}, sockjs_url: '/sockjs.min.js' });
echo.on('connection', application);
echo.installHandlers(server);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
