import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ROLES, defaultRoles, hasRole, mostApprovers, parseRoles, roleFor } from '../../../src/core/roles/roles.ts';
import type { Holder, Roles } from '../../../src/core/roles/roles.ts';

const NOBODY: Roles = { read: [], call: [], approve: [], admin: [] };
const ANN = { uid: 1_001, user: 'ann', groups: () => ['staff', 'ops'] };

describe('roles', () => {
  it('without a file are those of the daemon’s user and of root, who may do everything', () => {
    const roles = defaultRoles(1_000);
    for (const role of ROLES) {
      assert.ok(hasRole(roles, role, { uid: 0, user: 'root', groups: () => [] }));
      assert.ok(hasRole(roles, role, { uid: 1_000, user: 'me', groups: () => [] }));
      assert.ok(!hasRole(roles, role, ANN));
    }
  });

  it('let the members of the group that may speak approve, and nothing else', () => {
    const roles = defaultRoles(1_000, 'ops');
    assert.deepEqual(
      ROLES.filter((role) => hasRole(roles, role, ANN)),
      ['approve'],
    );
  });

  it('are held by name, by number and by group, and admin holds all of them', () => {
    const cases: readonly (readonly [holder: Holder, holds: boolean])[] = [
      ['ann', true],
      [1_001, true],
      ['@ops', true],
      ['@staff', true],
      ['bob', false],
      [1_002, false],
      ['@admins', false],
      ['ops', false],
      ['@ann', false],
    ];
    for (const [holder, holds] of cases) {
      for (const role of ROLES) {
        assert.equal(hasRole({ ...NOBODY, [role]: [holder] }, role, ANN), holds, `${role} ${holder}`);
        assert.equal(hasRole({ ...NOBODY, admin: [holder] }, role, ANN), holds, `admin for ${role} ${holder}`);
        for (const other of ROLES) {
          if (other !== role && role !== 'admin') {
            assert.ok(!hasRole({ ...NOBODY, [role]: [holder] }, other, ANN), `${role} is not ${other}`);
          }
        }
      }
    }
  });

  it('ask for groups only where a group holds the role', () => {
    const groups = () => assert.fail('nobody needs to know');
    assert.ok(!hasRole({ ...NOBODY, approve: ['bob'], read: ['@ops'] }, 'approve', { ...ANN, groups }));
  });

  it('approve answers questions, and everything else needs admin', () => {
    assert.deepEqual((['approve', 'reject', 'pause', 'resume', 'abort'] as const).map(roleFor), [
      'approve',
      'approve',
      'admin',
      'admin',
      'admin',
    ]);
  });

  it('count who may approve, without root', () => {
    const cases: readonly (readonly [Partial<Roles>, number])[] = [
      [{}, 0],
      [{ admin: [0, 'root'] }, 0],
      [{ admin: [0, 1_000] }, 1],
      [{ admin: [0, 1_000], approve: ['ann', 1_000] }, 2],
      [{ approve: ['@ops'] }, Infinity],
      [{ read: ['bob'], call: ['@all'] }, 0],
    ];
    for (const [roles, most] of cases)
      assert.equal(mostApprovers({ ...NOBODY, ...roles }), most, JSON.stringify(roles));
  });
});

describe('a file of roles', () => {
  const defaults = defaultRoles(1_000);

  it('replaces the roles that it names, and no other', () => {
    assert.deepEqual(parseRoles({ approve: ['ann', '@ops', 7] }, defaults), {
      ...defaults,
      approve: ['ann', '@ops', 7],
    });
    assert.deepEqual(parseRoles({ admin: [] }, defaults), { ...defaults, admin: [] });
    assert.deepEqual(parseRoles({}, defaults), defaults);
  });

  it('is refused with a sentence for each mistake', () => {
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [null, /expected read, call, approve, admin/],
      [[], /expected read/],
      ['admin', /expected read/],
      [{ owner: ['ann'] }, /owner is no role/],
      [{ approve: 'ann' }, /approve: expected a list/],
      [{ approve: null }, /approve: expected a list/],
      [{ approve: ['1001'] }, /approve: "1001" is neither/],
      [{ approve: ['ann bob'] }, /"ann bob" is neither/],
      [{ approve: ['@'] }, /"@" is neither/],
      [{ approve: ['@1001'] }, /^$/],
      [{ approve: [-1] }, /-1 is neither/],
      [{ approve: [1.5] }, /1.5 is neither/],
      [{ approve: [true, {}] }, /true is neither.*; .*\{\} is neither/],
    ];
    for (const [value, told] of wrong) {
      const parsed = parseRoles(value, defaults);
      if (told.source === '^$') assert.ok(!Array.isArray(parsed));
      else assert.match(Array.isArray(parsed) ? parsed.join('; ') : 'accepted', told);
    }
  });

  it('never gives a role to somebody whom it does not name', () => {
    const name = fc.constantFrom('ann', 'bob', '@ops', '@dev', 1_001, 1_002);
    const file = fc.record(Object.fromEntries(ROLES.map((role) => [role, fc.array(name)])), { requiredKeys: [] });
    fc.assert(
      fc.property(file, fc.constantFrom(...ROLES), (value, role) => {
        const roles = parseRoles(value, NOBODY) as Roles;
        const named = [...roles[role], ...roles.admin];
        const isNamed = named.some((holder) => ['ann', 1_001, '@ops', '@staff'].includes(holder));
        assert.equal(hasRole(roles, role, ANN), isNamed);
      }),
    );
  });
});
