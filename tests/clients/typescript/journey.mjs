// Use the client in clients/typescript on a platform; print what was found as JSON.
// Arguments: the built client, address of the platform, API key, URL of the receiver.
const [client, baseUrl, key, url] = process.argv.slice(2);
const { createClient, items, Problem, verify } = await import(client);

const waypost = createClient({ baseUrl, key });
const { data: endpoint } = await waypost.POST('/api/v1/endpoints', {
  body: { url, uid: 'own-typescript', subscriptions: [{ event_types: ['own.typescript'] }] },
});
const ids = [];
for (let number = 0; number < 3; number += 1) {
  const { data } = await waypost.POST('/api/v1/events', { body: { type: 'own.typescript', data: { number } } });
  ids.push(data.id);
}
const listed = [];
for await (const event of items(waypost, '/api/v1/events', { type: 'own.typescript', limit: 2 })) listed.push(event.id);

const problem = await waypost.POST('/api/v1/endpoints', { body: { url: 'nowhere' } }).then(
  () => null,
  (error) => (error instanceof Problem ? error : Promise.reject(error)),
);

// Repeats: a connection that is cut, then 503, then what was asked for, all under one Idempotency-Key.
const keys = [];
const answers = [() => { throw new TypeError('cut'); }, () => new Response('{}', { status: 503 }), () => Response.json({ id: 'evt_1' }, { status: 202 })];
const repeating = createClient({
  baseUrl,
  key,
  fetch: async (request) => {
    keys.push(request.headers.get('idempotency-key'));
    return answers[keys.length - 1]();
  },
});
const repeated = await repeating.POST('/api/v1/events', { body: { type: 'a', data: 1 } });
const given = await new Promise((resolve) => {
  let text = '';
  process.stdin.on('data', (part) => { text += part; }).on('end', () => resolve(text));
  console.log(
    JSON.stringify({
      secret: endpoint.secret,
      published: ids.sort(),
      listed: listed.sort(),
      problem: [problem.status, problem.errors[0].field, problem.requestId !== ''],
      repeats: [keys.length, new Set(keys).size, repeated.data.id],
    }),
  );
});
const { headers, body } = JSON.parse(given);
const refused = (() => {
  try {
    verify(endpoint.secret, headers, `${body} `);
    return false;
  } catch {
    return true;
  }
})();
console.log(JSON.stringify({ verified: verify(endpoint.secret, headers, body).type, refused }));
