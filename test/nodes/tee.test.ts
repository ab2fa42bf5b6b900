import { describe, expect, it } from 'vitest';
import { Program } from '../support/program.js';
import { simulatedWorld } from '../support/world.js';

/** A tee with hooks of the program by the same names. */
function teeWith(...hooks: string[]) {
  const me = new Program(simulatedWorld());
  const [first, ...others] = hooks;
  me.mkpeer('.', 'tee', first, first);
  me.name(first, 'tee');
  for (const hook of others) me.connect('.', 'tee:', hook, hook);
  const through = (hook: string) => {
    expect(me.send(hook, 'x')).toBe(0);
    return me.received().map((received) => received.slice(0, -2));
  };
  return { me, through };
}

describe('tee', () => {
  it('passes frames between left and right', () => {
    const { through } = teeWith('left', 'right');
    expect([through('left'), through('right')]).toEqual([['right'], ['left']]);
  });

  it('gives a copy of each direction to its tap, before the frame goes on', () => {
    const { through } = teeWith('left', 'right', 'left2right', 'right2left');
    expect(through('left')).toEqual(['left2right', 'right']);
    expect(through('right')).toEqual(['right2left', 'left']);
  });

  it('takes frames in by the taps, as if they came from the other side', () => {
    const { through } = teeWith('left', 'right', 'left2right', 'right2left');
    expect([through('left2right'), through('right2left')]).toEqual([['left'], ['right']]);
  });

  it('without another side gives frames to the tap alone, or drops them', () => {
    expect(teeWith('left', 'left2right').through('left')).toEqual(['left2right']);
    expect(teeWith('left').through('left')).toEqual([]);
    expect(teeWith('left2right').through('left2right')).toEqual([]);
  });

  it('counts frames and octets by hook, in and out', () => {
    const { me } = teeWith('left', 'right', 'left2right');
    me.send('left', 'abc');
    me.send('right', 'a');
    const stats =
      '{ right={ inOctets=1 inFrames=1 outOctets=3 outFrames=1 }' +
      ' left={ inOctets=3 inFrames=1 outOctets=1 outFrames=1 }' +
      ' left2right={ outOctets=3 outFrames=1 } }';
    expect(me.msg('tee:', 'getstats')).toBe(stats);
    expect(me.msg('tee:', 'getclrstats')).toBe(stats);
    expect(me.msg('tee:', 'getstats')).toBe('{}');
  });

  it('starts to count anew when a hook is connected anew', () => {
    const { me } = teeWith('left', 'right');
    me.send('right', 'abc');
    me.msg('.', 'rmhook', '{ hook="right" }');
    me.connect('.', 'tee:', 'right', 'right');
    expect(me.msg('tee:', 'getstats')).toBe('{ left={ outOctets=3 outFrames=1 } }');
  });

  it('does not count a copy that nobody takes', () => {
    const { me } = teeWith('left', 'right');
    me.mkpeer('tee:', 'eiface', 'left2right', 'ether');
    me.msg('.', 'nodeinfo');
    me.send('left', 'too short');
    expect(me.received()).toEqual(['right:too short']);
    expect(me.msg('tee:', 'getstats')).not.toContain('left2right');
  });

  it('joins its two sides when it is shut down', () => {
    const { me, through } = teeWith('left', 'right', 'left2right');
    me.msg('tee:', 'shutdown');
    expect(me.msg('.', 'nodeinfo')).toContain('hooks=2');
    expect(through('left')).toEqual(['right']);
    expect(through('right')).toEqual(['left']);
    expect(me.refusal('tee:', 'nodeinfo')).toBe('ENOENT');
  });

  it('with one side only goes with its edges', () => {
    const { me } = teeWith('left', 'left2right');
    me.msg('tee:', 'shutdown');
    expect(me.msg('.', 'nodeinfo')).toBe('{ type="socket" id=0x1 }');
  });

  it('joined to itself can be shut down', () => {
    const { me } = teeWith('left2right');
    me.connect('tee:', 'tee:', 'left', 'right');
    me.msg('tee:', 'shutdown');
    expect(me.msg('.', 'nodeinfo')).toBe('{ type="socket" id=0x1 }');
  });
});
