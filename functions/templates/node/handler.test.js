'use strict';

// Run with: node --test

const assert = require('node:assert');
const { test } = require('node:test');

const { handle } = require('./handler.js');
const { Event, Reject, Retry } = require('./serve.js');

test('greets', async () => {
  const reply = await handle(new Event({ id: '1' }, '{"name": "you"}'));
  assert.deepStrictEqual(reply.data, { greeting: 'hello, you' });
});

test('rejects data it cannot read', async () => {
  for (const data of ['', 'not json', '{}', 'null', '{"name": 7}']) {
    await assert.rejects(handle(new Event({ id: '1' }, data)), Reject);
  }
});

test('asks for another attempt', async () => {
  await assert.rejects(handle(new Event({ id: '1' }, '{"name": "nobody"}', { attempt: 1 })), Retry);
  assert.ok(await handle(new Event({ id: '1' }, '{"name": "nobody"}', { attempt: 2 })));
});
