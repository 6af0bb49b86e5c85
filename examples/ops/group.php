<?php
/**
 * A group's life over the JSON op endpoint, with nothing but PHP 7.4 or later:
 *
 *     ROLLCALL_TOKEN=rollcall_... php examples/ops/group.php
 */

class OpError extends Exception
{
}

/** Runs one op. A refusal comes with HTTP 200 too: only `result` tells. */
function op(string $name, array $parameters = []): array
{
    $url = getenv('ROLLCALL_OPS') ?: 'http://127.0.0.1:4000/backend';
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => 'Content-Type: application/json',
        'content' => json_encode(['op' => $name, 'token' => getenv('ROLLCALL_TOKEN')] + $parameters),
        'timeout' => 30,
    ]]);
    $text = file_get_contents($url, false, $context);
    if ($text === false) {
        throw new RuntimeException('The gateway gave no answer');
    }
    $answer = json_decode($text, true, 512, JSON_THROW_ON_ERROR);
    if (!$answer['result']) {
        throw new OpError($answer['error']); // such as BADGROUP; nothing was written
    }
    return $answer;
}

/** All members, a page at a time, in the order of addresses. */
function members(int $gid): iterable
{
    for ($after = ''; ; $after = end($page)['address']) {
        $page = op('groupgetmembers', ['group' => ['gid' => $gid], 'count' => 1000, 'after' => $after])['members'];
        foreach ($page as $member) {
            yield $member;
        }
        if (count($page) < 1000) {
            return;
        }
    }
}

$gid = op('groupadd', ['group' => ['name' => 'Team', 'members' => ['m' => 'alice,bob']]])['group']['gid'];
op('groupeditmembers', ['group' => ['gid' => $gid, 'members' => ['m' => 'carol', 'permissions' => ['send' => false]]]]);
op('groupeditmembers', ['group' => ['gid' => $gid, 'members' => ['m' => 'bob', 'remove' => true]]]);
foreach (members($gid) as $member) {
    echo $member['address'], $member['permissions']['send'] ? ' may send' : ' may not send', "\n";
}
op('groupdel', ['group' => ['gid' => $gid]]);
try {
    op('groupget', ['group' => ['gid' => $gid]]);
} catch (OpError $refusal) {
    echo $refusal->getMessage(), "\n";
}
