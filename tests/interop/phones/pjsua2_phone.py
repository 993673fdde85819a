"""A softphone of pjsua2-python that does what it is told, a line of JSON at a time. See baresip_phone.py for the words.

`secure` may be "none" or "sdes": this library has no DTLS. `dtmf` may be "rtpevent", "info" or "inband" (a tone that is mixed
into what it says).
"""

import hashlib
import json
import queue
import sys
import threading
import time

import pjsua2 as pj

CODECS = {"PCMA": "PCMA/8000", "PCMU": "PCMU/8000", "G722": "G722/16000"}
TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


def audio(flag=None):
    """One voice and no picture."""
    prm = pj.CallOpParam(True)
    prm.opt.audioCount = 1
    prm.opt.videoCount = 0
    if flag is not None:
        prm.opt.flag = flag
    return prm


class Account(pj.Account):
    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, prm):
        if prm.code == 200 and prm.expiration > 0:
            tell("registered")
        elif prm.code >= 300:
            tell("failed", what="register", why=f"{prm.code} {prm.reason}")

    def onIncomingCall(self, prm):
        call = Call(self.phone, self, prm.callId)
        self.phone.calls.append(call)
        tell("incoming")
        if self.phone.setup["answers"]:
            answer = pj.CallOpParam()
            answer.statusCode = 200
            call.answer(answer)


class Call(pj.Call):
    def __init__(self, phone, account, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.phone = phone

    def onCallState(self, prm):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            tell("established")
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            tell("closed", why=f"{info.lastStatusCode} {info.lastReason}")
            self.phone.calls = [other for other in self.phone.calls if other is not self]
            self.phone.ended.append(self)

    def onCallSdpCreated(self, prm):
        # Not the keys: only whether they are others than before.
        keys = [line for line in prm.sdp.wholeSdp.splitlines() if line.startswith("a=crypto")]
        tell("described", keys=hashlib.sha256("".join(keys).encode()).hexdigest() if keys else None)

    def onCallMediaState(self, prm):
        # Held by name: what it lists is gone with it.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                self.phone.voice.startTransmit(audio)
                if self.phone.tones:
                    self.phone.tones.startTransmit(audio)
                if self.phone.ear:
                    audio.startTransmit(self.phone.ear)

    def onCallTransferStatus(self, prm):
        if prm.finalNotify:
            tell("transferred" if prm.statusCode < 300 else "failed", what="transfer", why=str(prm.statusCode))


class Phone:
    def __init__(self, setup):
        self.setup = setup
        self.calls = []
        # Kept until the end: the library still holds them.
        self.ended = []
        self.ear = None
        self.tones = None
        self.speaks_again = None

    def run(self):
        setup = self.setup
        endpoint = pj.Endpoint()
        endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = 0
        config.logConfig.consoleLevel = 0
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.medConfig.noVad = True
        config.medConfig.clockRate = 16000
        config.medConfig.sndAutoCloseTime = -1
        endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        if setup["transport"] == "tls":
            transport.tlsConfig.CaListFile = setup.get("ca") or ""
            transport.tlsConfig.verifyServer = bool(setup.get("ca"))
        endpoint.transportCreate(TRANSPORTS[setup["transport"]], transport)
        endpoint.libStart()
        endpoint.audDevManager().setNullDev()
        self.endpoint = endpoint
        self.prefer(setup["codecs"])
        self.voice = pj.AudioMediaPlayer()
        self.voice.createPlayer(setup["speaks"])
        if setup.get("heard"):
            self.ear = pj.AudioMediaRecorder()
            self.ear.createRecorder(setup["heard"])
        if setup["dtmf"] == "inband":
            self.tones = pj.ToneGenerator()
            self.tones.createToneGenerator()
        self.account = Account(self)
        self.account.create(self.account_config())
        if not setup.get("password"):
            tell("ready")
        self.obey(endpoint)
        endpoint.hangupAllCalls()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            endpoint.libHandleEvents(20)
        # What is left to tidy is the process's; the library waits seconds for it.
        sys.stdout.flush()

    def account_config(self):
        setup = self.setup
        parameter = "" if setup["transport"] == "udp" else f";transport={setup['transport']}"
        config = pj.AccountConfig()
        config.idUri = f"sip:{setup['user']}@{setup['server'].split(':')[0]}"
        config.sipConfig.proxies.append(f"sip:{setup['server']};lr{parameter}")
        config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        if setup["secure"] == "sdes":
            config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            config.mediaConfig.srtpSecureSignaling = 0
        if setup.get("password"):
            config.regConfig.registrarUri = f"sip:{setup['server']}{parameter}"
            credentials = pj.AuthCredInfo("digest", "*", setup["user"], 0, setup["password"])
            config.sipConfig.authCreds.append(credentials)
        return config

    def obey(self, endpoint):
        orders = queue.Queue()

        def read():
            for line in sys.stdin:
                orders.put(json.loads(line))
            orders.put({"do": "quit"})

        threading.Thread(target=read, daemon=True).start()
        while True:
            endpoint.libHandleEvents(10)
            if self.speaks_again and time.monotonic() > self.speaks_again:
                self.speaks_again = None
                self.voice.adjustTxLevel(1)
            try:
                order = orders.get_nowait()
            except queue.Empty:
                continue
            if order["do"] == "quit":
                return
            try:
                getattr(self, order.pop("do"))(**order)
            except (pj.Error, IndexError) as why:
                tell("failed", what="order", why=str(getattr(why, "reason", why)))

    def prefer(self, names):
        wanted = [CODECS[name] for name in names if name in CODECS]
        for codec in self.endpoint.codecEnum2():
            place = next((at for at, name in enumerate(wanted) if codec.codecId.startswith(name)), None)
            self.endpoint.codecSetPriority(codec.codecId, 0 if place is None else 255 - place)

    def codecs(self, names):
        """Changes to these codecs in the middle of the call, by a re-INVITE."""
        self.prefer(names)
        self.calls[-1].reinvite(audio())

    def dial(self, uri):
        call = Call(self, self.account)
        self.calls.append(call)
        call.makeCall(uri, audio())

    def hangup(self, call=None):
        for one in list(self.calls) if call is None else [self.calls[call]]:
            one.hangup(pj.CallOpParam())

    def hold(self):
        self.calls[-1].setHold(pj.CallOpParam(True))
        tell("held")

    def resume(self):
        self.calls[-1].reinvite(audio(pj.PJSUA_CALL_UNHOLD))
        tell("resumed")

    def rekey(self):
        """Begins its media anew, with new keys, by a re-INVITE."""
        self.calls[-1].reinvite(audio(pj.PJSUA_CALL_REINIT_MEDIA))

    def press(self, keys):
        how = self.setup["dtmf"]
        if how == "inband":
            digits = pj.ToneDigitVector()
            for key in keys:
                digit = pj.ToneDigit()
                digit.digit, digit.on_msec, digit.off_msec = key, 200, 100
                digits.append(digit)
            # A telephone's keys are heard instead of the voice, not beside it.
            self.voice.adjustTxLevel(0)
            self.speaks_again = time.monotonic() + 0.3 * len(keys) + 0.1
            self.tones.playDigits(digits)
            return
        prm = pj.CallSendDtmfParam()
        prm.digits = keys
        prm.method = pj.PJSUA_DTMF_METHOD_SIP_INFO if how == "info" else pj.PJSUA_DTMF_METHOD_RFC2833
        self.calls[-1].sendDtmf(prm)

    def transfer(self, uri):
        self.calls[-1].xfer(uri, pj.CallOpParam(True))

    def consult(self, uri):
        self.hold()
        self.dial(uri)

    def complete(self):
        self.calls[0].xferReplaces(self.calls[-1], pj.CallOpParam(True))


if __name__ == "__main__":
    Phone(json.loads(sys.argv[1])).run()
    sys.stdout.flush()
    import os

    os._exit(0)
