'use strict';

const { Reject, Retry, serve } = require('./serve.js');

/**
 * What {{.Name}} does with an event: greet whoever the data names.
 *
 * Return nothing, or a reply event: it is published on the manifest's reply.subject.
 * Throw Retry to be called again later, Reject to give the event to the dead letters. Anything else that is thrown is a
 * retry too, with the manifest's back-off, until its attempts are spent.
 */
async function handle(event) {
  const name = event.json()?.name;
  if (typeof name !== 'string' || name === '') {
    throw new Reject('want data such as {"name": "you"}');
  }
  if (name === 'nobody' && event.attempt === 1) {
    throw new Retry('nobody is not in yet', { after: 1 });
  }
  return { type: '{{.Name}}.greeted', data: { greeting: `hello, ${name}` } };
}

module.exports = { handle };

if (require.main === module) {
  serve(handle);
}
