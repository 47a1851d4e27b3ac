import t from 'tap';
import { SetUpLoad } from './set-up-load.js';

function at(): { load: SetUpLoad; pass: (ms: number) => void } {
  let now = 0;
  return {
    load: new SetUpLoad(() => now),
    pass: (ms) => {
      now += ms;
    },
  };
}

t.test('set-up load: endpoints that come in time leave room for more', async (t) => {
  const { load, pass } = at();
  for (let i = 0; i < 50; i++) {
    const over = load.started();
    pass(20);
    over();
  }
  t.equal(load.isOverloaded, false);
});

t.test('set-up load: five orders that wait too long are an overload, four are not', async (t) => {
  const { load, pass } = at();
  for (let i = 0; i < 4; i++) load.started();
  pass(501);
  t.equal(load.isOverloaded, false);
  load.started();
  pass(501);
  t.equal(load.isOverloaded, true);
});

t.test('set-up load: late endpoints among a majority in time are no overload', async (t) => {
  const { load, pass } = at();
  const late = Array.from({ length: 5 }, () => load.started());
  pass(600);
  for (const over of late) over();
  t.equal(load.isOverloaded, true);
  for (let i = 0; i < 6; i++) load.started()();
  t.equal(load.isOverloaded, false);
});

t.test('set-up load: calls are admitted again a second after the last late endpoint', async (t) => {
  const { load, pass } = at();
  const late = Array.from({ length: 8 }, () => load.started());
  pass(700);
  for (const over of late) over();
  t.equal(load.isOverloaded, true);
  pass(1001);
  t.equal(load.isOverloaded, false);
});
