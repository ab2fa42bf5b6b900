import { expect, it } from 'vitest';
import { describeReal, runInSandbox } from '../support/sandbox.js';

/** Runs a script; what it said on both outputs. */
async function run(script: string): Promise<string> {
  const { stdout } = await runInSandbox(`exec 2>&1\n${script}`);
  return stdout;
}

/** A script with its text and exit code behind each command. */
const told = (...commands: string[]) =>
  run(
    commands.map((command) => `${command}\nstatus=$?; [ $status = 0 ] || echo "(exit $status)"`).join('\n'),
  );

describeReal('jails, for real', () => {
  it('are made, listed, entered, changed and removed', async () => {
    expect(
      await told(
        'jail -i -c name=demo host.hostname=demo.example.net vnet persist',
        'jls',
        'jexec demo hostname',
        'jexec 1 ifconfig -l',
        'jexec demo sh -c "exit 7"',
        'jail -m name=demo children.max=3',
        'jail -m name=demo vnet=inherit',
        'jail -m name=demo path=/run',
        'jail -m name=demo path=/',
        'jail -cm name=demo persist',
        'jail -c name=demo persist',
        'jls -s -j demo',
        'jail -rc name=demo vnet persist',
        'jls jid name host.hostname',
        'jail -rm name=demo path=/run host.hostname=new persist',
        'jls jid path host.hostname vnet',
        'jail -r demo',
        'jail -r demo',
        'jls -c -j demo',
        'jexec demo true',
        'jexec 99 true',
        'ls /run/netns',
      ),
    ).toBe(`1
   JID  IP Address      Hostname                      Path
     1                  demo.example.net              /
demo.example.net
lo
(exit 7)
jail: vnet cannot be changed after creation
(exit 1)
jail: path cannot be changed after creation
(exit 1)
jail: "demo" already exists
(exit 1)
host=new ip4=new ip6=new jid=1 name=demo path=/ persist vnet=new children.max=3 host.hostname=demo.example.net
2 demo demo
3 /run new inherit
jail: "demo" not found
(exit 1)
(exit 1)
jexec: jail "demo" not found
(exit 1)
jexec: jail 99 not found
(exit 1)
`);
  });

  it('live as long as their command', async () => {
    expect(
      await told(
        'jail -c name=a vnet command=sh -c "hostname; jls -c -j a; ifconfig -l; ls /sys/class/net"',
        'jail -c name=a vnet command=false',
        'jail -c name=a vnet exec.timeout=1 command=sleep 9',
        'jail -c name=a vnet exec.start=true exec.poststart="jls name"',
        'jail -c name=a vnet',
        'jls name; ls /run/netns',
      ),
    ).toBe(`a
lo
lo
jail: false: failed
(exit 1)
jail: sleep 9: timed out
(exit 1)
a
jail: new jail must persist or attach
(exit 1)
`);
  });

  it('write what runs in them where the file of the log is, and nowhere else', async () => {
    expect(
      await told(
        'cd /run; mkdir root; ln -s /run/other root/link',
        'jail -c name=a exec.consolelog=log command=echo one',
        'jail -c name=a path=/run/root/ exec.consolelog=/run//root/link command=echo two',
        'jail -c name=a exec.consolelog=/run/none/log command=echo three',
        'jail -c name=a exec.consolelog=/run/log command=echo four',
        'cat log; ls other; jls name',
      ),
    ).toBe(`jail: exec.consolelog: log: not an absolute pathname
(exit 1)
jail: exec.consolelog: /run/root/link is a symbolic link
(exit 1)
jail: open /run/none/log: No such file or directory
(exit 1)
four
ls: cannot access 'other': No such file or directory
`);
  });

  it('come from a file, with what they depend on', async () => {
    expect(
      await told(
        `cat >/run/jail.conf <<'EOF'
exec.start = "echo start $name";
exec.stop = "echo stop $name";
exec.poststop = 'echo gone $JID $JNAME';
vnet; persist;
base { exec.created = 'echo created $JNAME'; }
web { depend = base; host.hostname = "\${name}.example.org"; exec.start += "hostname"; }
EOF`,
        'jail -f /run/jail.conf -c web',
        'jail -f /run/jail.conf -c',
        'jail -f /run/jail.conf -qrc web',
        'jail -f /run/jail.conf -r base',
        'jail -f /run/jail.conf -C web',
        'jail -f /run/jail.conf -c other',
        'jail -f /run/none.conf -c',
        'jail -f /run -c',
      ),
    ).toBe(`base: created
created base
start base
web: created
start web
web.example.org
stop web
gone 2 web
start web
web.example.org
stop web
web: removed
gone 3 web
stop base
base: removed
gone 1 base
gone web
jail: "other" not found
(exit 1)
jail: open /run/none.conf: No such file or directory
(exit 1)
jail: open /run: Is a directory
(exit 1)
`);
  });

  it('of a file are made and removed although others in it cannot be', async () => {
    expect(
      await told(
        `cat >/run/jail.conf <<'EOF'
persist;
bad { foo; }
worse { path = $nowhere; }
loop { depend = loop; }
needy { depend = bad; }
good { }
EOF`,
        'jail -f /run/jail.conf -c',
        'jail -c name=bad persist',
        'jail -f /run/jail.conf -r bad',
        'jail -f /run/jail.conf -r "*"',
        'jail -f /run/jail.conf -e " "',
        'jls name',
      ),
    ).toBe(`jail: bad: unknown parameter: foo
jail: worse: path: variable "nowhere" not found
jail: loop: dependency loop
jail: needy: skipped
good: created
(exit 1)
bad: removed
good: removed
jail: bad: unknown parameter: foo
jail: worse: path: variable "nowhere" not found
name=loop persist depend=loop
name=needy persist depend=bad
name=good persist
(exit 1)
`);
  });

  it('get interfaces and give them back', async () => {
    expect(
      await told(
        'ifconfig epair create',
        'jail -c name=v vnet vnet.interface=epair0a,epair0b persist',
        'ifconfig -l',
        'ifconfig -j v -l ether',
        'ifconfig epair0a -vnet v',
        'jexec v ifconfig epair0b name inside',
        'ifconfig -l',
        'jail -c name=w vnet vnet.interface=nope persist',
        'jls name',
      ),
    ).toBe(`epair0a
lo
epair0b epair0a
inside
lo epair0a
jail: vnet.interface: interface nope does not exist
(exit 1)
v
`);
  });

  it('may be made of a namespace that is there, and leave it', async () => {
    expect(
      await told(
        'ip netns add there',
        'jail -c name=a netns=there persist',
        'jexec a ifconfig -l',
        'jls -n -j a adopted vnet',
        'jail -r a',
        'ip netns list',
      ),
    ).toBe('lo\nadopted vnet=new\nthere\n');
  });

  it('may hold others', async () => {
    expect(
      await told(
        'jail -c name=out vnet persist children.max=1',
        'jexec out jail -c name=in vnet persist',
        'jexec out jail -c name=second vnet persist',
        'jls name; jexec out jls name',
        'jexec out jexec in hostname',
        'jexec out ifconfig -j in -l',
        'jail -r out',
        'jls name; ls /run/netns',
      ),
    ).toBe(`jail: jail out may have 1 jails inside
(exit 1)
out
out.in
in
out.in
lo
`);
    expect(
      await told(
        'jail -c name=p.d persist',
        'jail -c name=p persist',
        'jail -c name=p.d persist',
        'jail -m name=p children.max=2',
        'jail -c name=p.d vnet persist children.max=1',
        "jexec p jail -vc name=d.e persist exec.poststart='echo $JNAME' | tail -1",
        'jail -m name=p.d host.hostname=new',
        'jail -m jid=2 name=q.d; jail -m jid=2 name=p.f; jls name host.hostname children.cur',
        'jls -s -j p.f >/run/words; jail -r p.f; eval jail -c $(cat /run/words); jls -s -j p.f | diff /run/words -',
        'printf "p { persist; children.max=2; }\\np.d { persist; }" >/run/jail.conf',
        'jail -r p; jail -f /run/jail.conf -c p.d; jail -f /run/jail.conf -r p',
      ),
    ).toBe(`jail: jail "p" not found
(exit 1)
jail: jail p may have 0 jails inside
(exit 1)
d.e
jail: jail "q" not found
p p 2
p.f new 1
p.f.e p.d.e 0
p: created
p.d: created
p.d: removed
p: removed
`);
  });
});

describeReal('modules and settings, for real', () => {
  it('are loaded, listed and unloaded', async () => {
    expect(
      await told(
        'kldload ng_eiface',
        'kldload ng_eiface',
        'kldload -n ng_eiface.ko',
        'kldload -q pf',
        'kldstat -q -m ng_eiface',
        'kldstat -q -m ng_hub',
        'kldunload ng_eiface',
        'kldstat -m ng_eiface',
      ),
    ).toBe(`kldload: can't load ng_eiface: module already loaded or in kernel
(exit 1)
(exit 1)
(exit 1)
kldstat: can't find module ng_eiface: No such file or directory
(exit 1)
`);
  });

  it("are the daemon's, and else the system's", async () => {
    expect(
      await told(
        'sysctl -n net.graph.maxdata=5000',
        'sysctl net.graph.maxdata',
        'sysctl net.graph.nothing',
        'sysctl -n kernel.ostype',
        'sysctl -n net.graph.maxdata kernel.ostype',
        'jail -c name=a vnet persist; jexec a sysctl net.graph.maxdata=1 | head -1; jail -r a',
      ),
    ).toMatch(
      /^5000\nnet\.graph\.maxdata: 5000\nsysctl: unknown oid 'net\.graph\.nothing'\n\(exit 1\)\nLinux\n5000\nLinux\nsysctl: net\.graph\.maxdata=1: .*\n$/,
    );
  });
});
