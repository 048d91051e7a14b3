// Node's servers, answering by path; prints the port. How: http, h2c or h2 (with server.crt and server.key).
'use strict';
const fs = require('fs');
const how = process.argv[2];

function answer(request, response) {
  response.setHeader('X-Port', String(request.socket.remotePort));
  response.setHeader('X-Version', request.httpVersion);
  const path = request.url;
  if (path === '/sized') {
    const body = Buffer.from('sized'.repeat(1000));
    response.setHeader('Content-Length', body.length);
    response.end(request.method === 'HEAD' ? undefined : body);
  } else if (path === '/chunked') {
    for (let i = 0; i < 3; i++) response.write('chunked');
    response.end();
  } else if (path === '/until-close') {
    response.setHeader('Connection', 'close');
    response.removeHeader('Transfer-Encoding');
    response.useChunkedEncodingByDefault = false;
    response.write('until ');
    response.end('close');
  } else if (path === '/echo') {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts);
      response.setHeader('Content-Length', body.length);
      response.end(body);
    });
  } else {
    response.statusCode = Number(path.slice(1));
    if (response.statusCode >= 400) {
      response.setHeader('Content-Length', 6);
      response.end('failed');
    } else {
      response.end();
    }
  }
}

let server;
if (how === 'http') {
  server = require('http').createServer(answer);
} else if (how === 'h2c') {
  server = require('http2').createServer(answer);
} else {
  const files = { cert: fs.readFileSync('server.crt'), key: fs.readFileSync('server.key') };
  server = require('http2').createSecureServer({ ...files, allowHTTP1: true }, answer);
}
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
