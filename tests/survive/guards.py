"""The guards: what in the code keeps a promise when things go wrong, each with the source that is without it."""

from tests.survive.mutations import Guard

USES = "shared.usecases"
# The simulation has a storage of its own for this one.
STANDS_IN = {"tests.survive.stores": "shared/adapters/checkpoint_blobs.py"}


def stands_in(guard: Guard) -> str:
    """The file that a guard stands in."""
    return STANDS_IN.get(guard.module, f"{guard.module.replace('.', '/')}.py")


GUARDS = (
    Guard(
        "a checkpoint is written in the version that was read, only",
        "tests.survive.stores",  # as `shared.adapters.checkpoint_blobs` asks the storage for
        "if (found[1] if found else None) != version:",
        "if False:",
    ),
    Guard(
        "what was found is saved before it is published",
        f"{USES}.poll_instance",
        "version = await self._checkpoints.save(instance_id, family, checkpoint, version)",
        "version = await self._checkpoints.save(instance_id, family, replace(checkpoint, outbox=()), version)",
    ),
    Guard(
        "what an earlier poll has left is published, too",
        f"{USES}.poll_instance",
        "outbox = [*checkpoint.outbox, *seen]",
        "outbox = [*seen]",
    ),
    Guard(
        "the outbox is cleared after it is published",
        f"{USES}.poll_instance",
        """            await self._publish(checkpoint.outbox)
        self._outcomes.pending(instance_id, family, 0)
        try:
            await self._checkpoints.save(instance_id, family, replace(checkpoint, outbox=()), version)
""",
        """            await self._checkpoints.save(instance_id, family, replace(checkpoint, outbox=()), version)
        self._outcomes.pending(instance_id, family, 0)
        try:
            await self._publish(checkpoint.outbox)
""",
    ),
    Guard(
        "the first poll publishes nothing",
        "shared.domain.jobs",
        "        return _baseline(jobs, now), []",
        "        state = JobsState(floor=None, known={'': JobMark(ended=True)})",
    ),
    Guard(
        "jobs are read back to one that had ended",
        "shared.domain.refreshes",
        "return (job.ended_at or job.submitted_at or by) <= by",
        "return (job.submitted_at or by) <= by",
    ),
    Guard(
        "an occurrence always has the same id",
        "shared.domain.events.envelope",
        "str(uuid.uuid5(NAMESPACE, name))",
        "str(uuid.uuid4())",
    ),
    Guard(
        "that polls fail stands in the row until it is told",
        "shared.domain.polls",
        "return _owing(replace(self, is_told=True), told, now, since.isoformat(), kind)",
        "return replace(self, is_told=True)",
    ),
    Guard(
        "a message whose work failed comes again",
        f"{USES}.patience",
        "if since is None or self._clock() < since + self._max_age:\n                raise\n            log",
        "if since is None or self._clock() < since + self._max_age:\n                return\n            log",
    ),
    Guard(
        "what leads to a subscription is written before it",
        "shared.adapters.subscription_table",
        "            if row not in before:\n                await self._table.put(row)\n",
        "            pass\n",
    ),
    Guard(
        "an attempt is claimed",
        "shared.domain.deliveries",
        "return self.stage is Stage.ATTEMPTING and self.claimed_until is not None and self.claimed_until > now",
        "return False",
    ),
    Guard(
        "a row is written in the version that was read, only",
        "shared.adapters.own_writes",
        "return await (table.insert(marked) if version is None else table.replace(marked, version))",
        "return str(await table.put(marked) or (await table.get(row['PartitionKey'], row['RowKey']))[1])",
    ),
    Guard(
        "a write whose answer was lost is no lost race",
        "shared.adapters.own_writes",
        "if found is None or found[0].get(MARK) != marked[MARK]:",
        "if True:",
    ),
    Guard(
        "who has ended is not attempted again",
        f"{USES}.deliver",
        "        elif delivery.has_ended:\n",
        "        elif False:\n",
    ),
    Guard(
        "what is not open is not called",
        f"{USES}.deliver",
        "if not subscription.is_open or not await",
        "if not await",
    ),
    Guard(
        "a retry that is due is as any other delivery",
        f"{USES}.deliver",
        "stored, by_hand=by_hand is not None):",
        "stored, by_hand=True):",
    ),
    Guard(
        "a retry waits until it is due",
        f"{USES}.deliver",
        "delivery.next_attempt_at is not None and delivery.next_attempt_at > now:\n            await self._agenda",
        "False:\n            await self._agenda",
    ),
    Guard(
        "a record and its place in the line are written at once",
        "shared.adapters.own_writes",
        "            return str((await table.transact(record, *steps))[0])",
        "            done = await table.transact(record)\n"
        "            for step in steps:\n"
        "                await table.transact(step)\n"
        "            return str(done[0])",
    ),
    Guard(
        "who puts something in looks at the subscription after that",
        f"{USES}.backlog",
        "        await self.start(held.subscription_id, is_careful=is_careful)",
        "        del is_careful",
    ),
    Guard(
        "a look at the backlog is insured before it is counted on",
        f"{USES}.backlog",
        "        await self._agenda.insure(release, now + LOST_AFTER)\n",
        "",
    ),
    Guard(
        "one run at a time lets out a backlog",
        f"{USES}.backlog",
        "return subscription.leased_until is not None and subscription.leased_until > now",
        "return False",
    ),
    Guard(
        "a run that lets out is insured",
        f"{USES}.release",
        "        await self._agenda.insure(mine, until)\n",
        "",
    ),
    Guard(
        "the lease is given back before the next run is asked for",
        f"{USES}.release",
        """        await self._give_back(subscription_id, until, run.next_at)
        if following is not None:  # after that: whoever finds the lease taken leaves, and his message is gone
            await self._agenda.look(following, following.at)
            await self._agenda.waive(following, following.at + LOST_AFTER)
""",
        """        if following is not None:
            await self._agenda.look(following, following.at)
            await self._agenda.waive(following, following.at + LOST_AFTER)
        await asyncio.sleep(1)
        await self._give_back(subscription_id, until, run.next_at)
""",
    ),
    Guard(
        "a former subscription's delivery is known without a clock",
        f"{USES}.release",
        "if not delivery.is_for(subscription.created_at):",
        "if delivery.patient_since < subscription.created_at:",
    ),
    Guard(
        "a probe waits until it is due",
        f"{USES}.release",
        "if delivery.next_attempt_at is not None and delivery.next_attempt_at > now:",
        "if False:",
    ),
    Guard(
        "a backlog is let out at the rate",
        f"{USES}.release",
        "rate = self.per_second * PART_OF_RATE",
        "rate = self.per_second * 100",
    ),
    Guard(
        "a backlog is let out slowly where instances may have just called",
        f"{USES}.release",
        "if self.is_careful and now < self.began + WINDOW:",
        "if False:",
    ),
    Guard(
        "each instance sends its share of the rate",
        f"{USES}.gate",
        "return len(lane.begun) < self._share",
        "return True",
    ),
    Guard(
        "an attempt that nobody waits for is insured",
        f"{USES}.deliver",
        "        await self._agenda.insure(look, at)\n",
        "",
    ),
    Guard(
        "what is due is removed after it is sent",
        f"{USES}.agenda",
        """            await self._send(what, at)
            # Whoever has looked by now, and takes it to be earlier, may have put it in once more.
            await self._due.remove(at, what, version)
""",
        """            await self._due.remove(at, what, version)
            await self._send(what, at)
""",
    ),
    Guard(
        "what is due is removed in the version that was sent, only",
        f"{USES}.agenda",
        "await self._due.remove(at, what, version)",
        "await self._due.remove(at, what)",
    ),
    Guard(
        "a retry is arranged before its record waits",
        f"{USES}.attempt",
        """            try:
                await self._agenda.look(Look(ended.subscription_id, ended.key), ended.next_attempt_at)
            except BridgeError:
                if line is None:  # the message that led here comes again, finds this, and arranges the look
                    await self._deliveries.put(ended, version, was)
                raise
""",
        """            await self._deliveries.put(ended, version, was)
            await self._agenda.look(Look(ended.subscription_id, ended.key), ended.next_attempt_at)
            return
""",
    ),
    Guard(
        "who finds a dead delivery after a death buries it",
        f"{USES}.deliver",
        "if delivery.stage is Stage.DEAD and may_be_unburied:",
        "if False:",
    ),
    Guard(
        "the first success makes a failing subscription active",
        f"{USES}.attempt",
        'elif verdict is Verdict.DELIVERED and subscription.status != "active":',
        "elif False:",
    ),
    Guard(
        "a notice stands in the subscription from the write that makes it true",
        f"{USES}.change",
        "        new = owing(old, new, held)\n",
        "        owing(old, new, held)\n",
    ),
    Guard(
        "a notice leaves the subscription after it is told",
        f"{USES}.notify",
        """        await self._publish(told)
        await change(self._subscriptions, subscription.id, lambda it: without(it, told))
""",
        """        await change(self._subscriptions, subscription.id, lambda it: without(it, told))
        await self._publish(told)
""",
    ),
    Guard(
        "what is delivered is wanted by then",
        f"{USES}.deliver",
        "if new.by_hand is None and not subscription.wants(new.event):",
        "if False:",
    ),
    Guard(
        "what is replayed is wanted",
        f"{USES}.replay",
        "            if not subscription.wants(event):\n                continue\n",
        "",
    ),
    Guard(
        "a delivery is given up at its age, and not before",
        "shared.domain.deliveries",
        "return now > self.patient_since + policy.max_age",
        "return now > self.patient_since + (policy.max_age / 60)",
    ),
    Guard(
        "what is held for too long is not let out",
        f"{USES}.release",
        "elif now > delivery.patient_since + self._keep:",
        "elif False:",
    ),
    Guard(
        "a letter is forgotten after its delivery is put back",
        f"{USES}.redeliver",
        "                    count += await self._put_back(letter, known[letter.subscription_id])\n",
        "                    await self._forget(letter)\n",
    ),
    Guard(
        "with a subscription its backlog ends",
        f"{USES}.subscribe",
        """                await self._subscriptions.delete(subscription, version)
                await self._deliveries.drop(subscription_id, now)
""",
        """                await self._subscriptions.delete(subscription, version)
""",
    ),
    Guard(
        "a success ends the failures in a row",
        "shared.domain.subscriptions",
        "calm = replace(self, failures=0, failing_since=None)",
        "calm = self",
    ),
    Guard(
        "one more notice leaves the others owed",
        "shared.domain.notices",
        "owed=(*it.owed, notice)[-MOST_OWED:])",
        "owed=(notice,))",
    ),
)
