'use strict';

// The plumbing between Pelton and handle(event): an HTTP server for binary-mode CloudEvents.
//
// You do not need to change this file. It listens on $PORT (or the unix socket $PELTON_SOCKET) and, on SIGTERM,
// finishes the requests it has and exits.

const http = require('node:http');

const maxBody = 64 << 20;

/** Ask for another attempt, after `after` seconds if given, else after the manifest's back-off. */
class Retry extends Error {
  constructor(reason, { after } = {}) {
    super(reason);
    this.after = after;
  }
}

/** Refuse the event for good: it goes to the dead letters with this reason. */
class Reject extends Error {}

/** One event: its CloudEvents attributes (id, type, subject, ...), its data (a Buffer), and which attempt this is. */
class Event {
  constructor(attributes, data, { attempt = 1, deadline = '' } = {}) {
    Object.assign(this, attributes);
    this.data = Buffer.from(data);
    this.attempt = attempt;
    this.deadline = deadline; // RFC 3339; the attempt is cut then
  }

  /** Returns the data read as JSON; data that is not JSON can never be handled, so it is rejected. */
  json() {
    try {
      return JSON.parse(this.data.toString('utf8'));
    } catch (err) {
      throw new Reject(`data is not JSON: ${err.message}`);
    }
  }
}

/** Serves handle(event) until SIGTERM. handle may be async. */
function serve(handle) {
  const server = http.createServer((req, res) => respond(handle, req, res));
  // Pelton keeps connections open for as long as the function runs. Node would close them after five idle seconds,
  // perhaps just as the next event is being sent, and that event would count as an attempt that crashed.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  const stop = () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (process.env.PELTON_SOCKET) {
    server.listen(process.env.PELTON_SOCKET);
  } else {
    server.listen({ port: Number(process.env.PORT || 8080), host: process.env.PELTON_HOST || '127.0.0.1', backlog: 1024 });
  }
}

async function respond(handle, req, res) {
  try {
    const data = await body(req);
    const [status, headers, text] = await dispatch(handle, req, data);
    res.writeHead(status, { ...headers, ...(status === 204 ? {} : { 'Content-Length': Buffer.byteLength(text) }) });
    res.end(text);
  } catch {
    req.destroy(); // the caller went away, or sent more than maxBody
  }
}

async function dispatch(handle, req, data) {
  if (req.method !== 'POST') return [405, { Allow: 'POST' }, ''];
  if ((req.headers['content-type'] || '').startsWith('application/cloudevents-batch')) {
    return [415, {}, 'serve.js takes one event per request: leave batch out of function.yaml'];
  }
  return answer(handle, eventOf(req.headers, data));
}

/** Calls handle and returns [status, headers, body]: the status decides what Pelton does with the event. */
async function answer(handle, event) {
  try {
    const reply = await handle(event);
    if (reply == null) return [204, {}, ''];
    return [200, { 'Content-Type': 'application/cloudevents+json' }, structured(reply, event)];
  } catch (err) {
    if (err instanceof Reject) return [422, {}, err.message];
    if (err instanceof Retry) {
      return [503, err.after === undefined ? {} : { 'Retry-After': String(Math.ceil(err.after)) }, err.message];
    }
    console.error(err); // a bug or a neighbour that is down: worth another attempt
    return [500, {}, String(err)];
  }
}

// structured completes a reply ({ type, data }) to a CloudEvent. The same event always gives the same id.
function structured(reply, event) {
  const { createHash } = require('node:crypto'); // loaded late: the first reply pays, not the start
  const id = createHash('sha256').update(`${event.source}|${event.id}`).digest('hex').slice(0, 32);
  const source = `/functions/${process.env.PELTON_NAMESPACE || 'default'}/${process.env.PELTON_FUNCTION || 'function'}`;
  return JSON.stringify({ specversion: '1.0', id, source, datacontenttype: 'application/json', ...reply });
}

async function body(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > maxBody) throw new Error('body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function eventOf(headers, data) {
  const attributes = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('ce-')) attributes[name.slice(3)] = decode(value);
  }
  if (headers['content-type']) attributes.datacontenttype = headers['content-type'];
  const attempt = Number(headers['pelton-attempt'] || 1);
  return new Event(attributes, data, { attempt, deadline: headers['pelton-deadline'] || '' });
}

function decode(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

module.exports = { Event, Reject, Retry, answer, serve };
