/**
 * The client of Waypost's API.
 *
 *     const waypost = createClient({ baseUrl: 'https://hooks.example.com', key: 'wp_...' });
 *     await waypost.POST('/api/v1/events', { body: { type: 'order.paid', data: { total: 42 } } });
 *     for await (const event of items(waypost, '/api/v1/events', { type: 'order.paid' })) { ... }
 *
 * Paths, parameters, bodies and responses have the types of the API's description (`schema.ts`, generated). A response that is no
 * success is thrown as a Problem. A request is repeated after a lost connection, 429, 502, 503 and 504; a POST has an
 * Idempotency-Key, so that a repeat changes nothing twice.
 */

import createFetchClient, { type Client } from 'openapi-fetch';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import type { components, paths } from './schema.js';

export type { components, paths };
export { WebhookVerificationError };
export type Waypost = Client<paths>;

/** `tenant`: whose resources a platform key means. `attempts`: of each request, the first one included. */
export interface Options {
  baseUrl: string;
  key: string;
  tenant?: string;
  attempts?: number;
  fetch?: (request: Request) => Promise<Response>;
}

/** One invalid field of a request. */
export interface FieldError {
  field: string;
  detail: string;
  code: string;
}

/**
 * A response that is no success (RFC 9457). `status`: of HTTP. `code`: stable word for programs, such as `plan_limit`. `errors`: the
 * invalid fields. `requestId`: for the logs of the platform. `retryAfter`: seconds.
 */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: FieldError[];
  readonly requestId: string;
  readonly retryAfter: number | undefined;
  readonly body: Record<string, unknown>;

  constructor(status: number, body: Record<string, unknown>, headers: Headers) {
    const errors = (body['errors'] as FieldError[] | undefined) ?? [];
    const fields = errors.map((it) => `${it.field}: ${it.detail}`).join('; ');
    super(`${fields || body['detail'] || body['title'] || `status ${status}`} (${body['code'] ?? status})`);
    this.name = 'Problem';
    this.status = status;
    this.code = String(body['code'] ?? '');
    this.errors = errors;
    this.requestId = headers.get('waypost-request-id') ?? '';
    this.retryAfter = secondsOf(headers);
    this.body = body;
  }
}

const REPEATED = new Set([429, 502, 503, 504]);
const FIRST_PAUSE = 250; // milliseconds
const LONGEST_PAUSE = 30_000;
const KEY = 'Idempotency-Key';

/** Make a client. Its methods are those of openapi-fetch: `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, each with a path. */
export function createClient(options: Options): Waypost {
  const headers: Record<string, string> = { authorization: `Bearer ${options.key}` };
  if (options.tenant !== undefined) headers['Waypost-Tenant'] = options.tenant;
  const send = options.fetch ?? ((request: Request) => fetch(request));
  return createFetchClient<paths>({
    baseUrl: options.baseUrl.replace(/\/$/, ''),
    headers,
    fetch: (request: Request) => sendRepeatedly(request, send, options.attempts ?? 4),
  });
}

async function sendRepeatedly(
  request: Request,
  send: (request: Request) => Promise<Response>,
  attempts: number,
): Promise<Response> {
  if (request.method === 'POST' && !request.headers.has(KEY)) request.headers.set(KEY, crypto.randomUUID());
  let pause = FIRST_PAUSE;
  for (let left = attempts - 1; ; left -= 1) {
    let wait = pause * (0.5 + Math.random() / 2);
    try {
      const response = await send(request.clone());
      if (response.ok) return response;
      if (!REPEATED.has(response.status) || left <= 0) throw await problemOf(response);
      wait = Math.max(wait, Math.min((secondsOf(response.headers) ?? 0) * 1000, LONGEST_PAUSE));
    } catch (error) {
      if (error instanceof Problem || left <= 0) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  let body: Record<string, unknown>;
  try {
    body = JSON.parse(text) as Record<string, unknown>;
  } catch {
    body = { detail: text.slice(0, 500) };
  }
  return new Problem(response.status, body, response.headers);
}

function secondsOf(headers: Headers): number | undefined {
  const text = headers.get('retry-after') ?? '';
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

type Page<T> = { data: T[]; next: string | null };
type PageOf<P> = P extends { get: { responses: { 200: { content: { 'application/json': infer R } } } } } ? R : never;
type ItemOf<P> = PageOf<P> extends Page<infer T> ? T : never;
/** The paths of lists. */
export type ListPath = { [P in keyof paths]: ItemOf<paths[P]> extends never ? never : P }[keyof paths];

/** All items of a list, page by page as they are needed. `query`: the filters; `path`: what stands for `{ref}`. */
export async function* items<P extends ListPath>(
  client: Waypost,
  path: P,
  query: Record<string, string | number | boolean> = {},
  refs: Record<string, string> = {},
): AsyncGenerator<ItemOf<paths[P]>> {
  let cursor: string | null = null;
  do {
    const given = cursor === null ? query : { ...query, cursor };
    const call = client.GET as (path: string, options: object) => Promise<{ data?: Page<ItemOf<paths[P]>> }>;
    const { data } = await call(path, { params: { query: given, path: refs } });
    if (data === undefined) return;
    yield* data.data;
    cursor = data.next === null ? null : new URL(data.next, 'http://localhost').searchParams.get('cursor');
  } while (cursor !== null);
}

/** Return a verified webhook. `body`: as it was received. Throws WebhookVerificationError. */
export function verify(secret: string, headers: Record<string, string>, body: string): unknown {
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return new Webhook(secret).verify(body, lower);
}
