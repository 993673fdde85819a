"""A softphone of baresip-python that does what it is told, a line of JSON at a time.

Started with one argument, the phone as JSON:
  {"user", "password" or null, "server": "host:port", "transport": "udp|tcp|tls", "codecs": ["PCMA", ...],
   "speaks": WAV, "heard": WAV or null, "answers": bool, "secure": "none|sdes|dtls", "dtmf": "rtpevent|info", "ca": PEM or null}
Told on standard input:
  {"do": "dial", "uri"} {"do": "hangup", "call": which of several, or all} {"do": "hold"} {"do": "resume"} {"do": "press", "keys"}
  {"do": "transfer", "uri"} {"do": "consult", "uri"} {"do": "complete"} {"do": "quit"}; pjsua2 also {"do": "codecs", "names"}
Tells on standard output:
  {"event": "registered|incoming|established|closed|held|resumed|transferred|failed", ...}
"""

import asyncio
import json
import sys

from baresip import Account, BaresipError, Config, Event, Runtime, UserAgent

CODECS = {"PCMA": "pcma/8000/1", "PCMU": "pcmu/8000/1", "G722": "g722/16000/1", "opus": "opus/48000/2"}
SECURE = {"sdes": "mediaenc=srtp-mand", "dtls": "mediaenc=dtls_srtp"}


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Phone:
    def __init__(self, setup):
        self.setup = setup
        self.calls = []
        self.tasks = set()

    async def run(self):
        setup = self.setup
        more = ["sip_verify_server no"]
        if setup.get("ca"):
            more = [f"sip_cafile {setup['ca']}", "sip_verify_server yes"]
        config = Config(
            net_interface="127.0.0.1",
            audio_source=f"aufile,{setup['speaks']}",
            audio_player=f"aufile,{setup['heard']}" if setup.get("heard") else None,
            max_concurrent_calls=4,
            extra_config_text="\n".join(more) + "\n",
        )
        runtime = Runtime()
        await runtime.start(config)
        params = [SECURE[setup["secure"]]] if setup["secure"] in SECURE else []
        account = Account(
            user=setup["user"],
            domain=setup["server"],
            password=setup.get("password") or "",
            reg_interval=600 if setup.get("password") else 0,
            transport=setup["transport"],
            audio_codecs=tuple(CODECS[codec] for codec in setup["codecs"]),
            dtmf_mode=setup["dtmf"],
            extra_params=tuple(params),
        )
        self.ua = await UserAgent.create(runtime, account)
        self.ua.on_incoming(self.incoming)
        if setup.get("password"):
            try:
                await self.ua.register(timeout=15)
            except BaresipError as why:
                tell("failed", what="register", why=str(why))
                return
            tell("registered")
        else:
            tell("ready")
        await self.obey()
        await runtime.close()

    def incoming(self, call):
        tell("incoming")
        if self.setup["answers"]:
            self.begin(self.answer(call))

    async def answer(self, call):
        await call.answer()
        await self.watch(call)

    async def watch(self, call):
        self.calls.append(call)

        def listener(event):
            if event.event == Event.CALL_CLOSED:
                self.calls = [other for other in self.calls if other is not call]
                tell("closed", why=event.text or "")

        call.on(listener)
        try:
            await call.wait_established(timeout=60)
            tell("established")
        except BaresipError as why:
            tell("failed", what="call", why=str(why))

    def begin(self, work):
        async def guarded():
            try:
                await work
            except (BaresipError, ValueError) as why:
                tell("failed", what="order", why=f"{type(why).__name__}: {why}")

        task = asyncio.ensure_future(guarded())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def obey(self):
        loop = asyncio.get_running_loop()
        while True:
            line = await loop.run_in_executor(None, sys.stdin.readline)
            order = json.loads(line) if line.strip() else {"do": "quit"}
            if order["do"] == "quit":
                return
            self.begin(getattr(self, order.pop("do"))(**order))

    async def dial(self, uri):
        await self.watch(await self.ua.dial(uri))

    async def hangup(self, call=None):
        for one in list(self.calls) if call is None else [self.calls[call]]:
            await one.hangup()

    async def hold(self):
        await self.calls[-1].hold()
        tell("held")

    async def resume(self):
        await self.calls[-1].resume()
        tell("resumed")

    async def press(self, keys):
        await self.calls[-1].send_dtmf(keys)

    async def transfer(self, uri):
        await self.calls[-1].transfer(uri)
        tell("transferred")

    async def consult(self, uri):
        await self.calls[-1].hold()
        await self.dial(uri)

    async def complete(self):
        first, consulted = self.calls[0], self.calls[-1]
        await first.attended_transfer(consulted)
        tell("transferred")


if __name__ == "__main__":
    asyncio.run(Phone(json.loads(sys.argv[1])).run())
