// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import { Test, console } from "forge-std/Test.sol";

import { LayoutBench } from "../mocks/LayoutBench.sol";
import { WeightTreeHarness } from "../mocks/WeightTreeHarness.sol";

/// @notice Gas of draws and updates, inside the call, storage cold. Run with -vv to see the figures. A bound is the
/// figure measured plus 1%, so a layout or a change that costs more fails here.
contract WeightTreeGasTest is Test {
    uint256 private constant LEAF = 1_234;
    uint256 private constant RANDOM = uint256(keccak256("weight tree"));

    WeightTreeHarness private tree4096;
    WeightTreeHarness private tree65536;

    function setUp() public {
        vm.pauseGasMetering();
        tree4096 = _fill(4_096);
        tree65536 = _fill(65_536);
        vm.resumeGasMetering();
    }

    /// @dev All leaves take effect in epoch 2; LEAF changes in 3, 4 and 5 too, so that all its places are in use.
    function _fill(uint256 leaves) private returns (WeightTreeHarness tree) {
        tree = WeightTreeHarness(deployCode("WeightTreeHarness.sol:WeightTreeHarness"));
        for (uint256 i = 0; i < leaves; ++i) {
            tree.set(i, 1 + (i * 7) % 500, 1, 2);
        }
        for (uint256 epoch = 2; epoch < 5; ++epoch) {
            tree.set(LEAF, 100 + epoch, epoch, epoch + 1);
        }
    }

    function _report(string memory name, uint256 spent, uint256 bound) private pure {
        console.log(name, spent);
        assertLe(spent, bound, name);
    }

    function test_Draw4096() public view {
        (,, uint256 spent) = tree4096.draw(5, RANDOM);
        _report("draw 4096", spent, 7_817);
    }

    /// @dev In an epoch in which a weight has already changed for the next one: one more read, at the root.
    function test_Draw4096WithWritePending() public view {
        (,, uint256 spent) = tree4096.draw(4, RANDOM);
        _report("draw 4096, write pending", spent, 9_982);
    }

    function test_Draw65536() public view {
        (,, uint256 spent) = tree65536.draw(5, RANDOM);
        _report("draw 65536", spent, 13_988);
    }

    function test_UpdateFirst4096() public {
        (, uint256 spent) = tree4096.set(LEAF, 300, 5, 6);
        _report("update 4096, first for its target", spent, 27_513);
    }

    function test_UpdateAgain4096() public {
        (, uint256 spent) = tree4096.set(LEAF, 300, 4, 5);
        _report("update 4096, again", spent, 17_824);
    }

    function test_UpdateFirst65536() public {
        (, uint256 spent) = tree65536.set(LEAF, 300, 5, 6);
        _report("update 65536, first for its target", spent, 43_863);
    }
}

/// @notice The layouts that were compared at 4,096 leaves. The cheapest to draw from, then to update, is the one in use.
abstract contract LayoutGas is Test {
    uint256 private constant LEAF = 1_234;

    LayoutBench private bench;

    function _layout() internal virtual returns (string memory name, LayoutBench);

    function _bench(uint256 widths, uint256 fans, uint256 height, bool tagged) internal returns (LayoutBench) {
        return LayoutBench(deployCode("LayoutBench.sol:LayoutBench", abi.encode(widths, fans, height, tagged)));
    }

    function setUp() public {
        vm.pauseGasMetering();
        (, bench) = _layout();
        for (uint256 i = 0; i < 4_096; ++i) {
            bench.set(i, 1 + (i * 7) % 500, 1, 2);
        }
        for (uint256 epoch = 2; epoch < 5; ++epoch) {
            bench.set(LEAF, 100 + epoch, epoch, epoch + 1);
        }
        vm.resumeGasMetering();
    }

    function _report(string memory what, uint256 spent) private {
        (string memory name,) = _layout();
        console.log(name, what, spent);
        assertGt(spent, 0);
    }

    function test_Draw() public {
        (uint256 index, uint256 spent) = bench.draw(5, 0);
        assertEq(index, 0);
        _report("draw", spent);
    }

    /// @dev A draw that lands on the leaf whose weight has changed for the next epoch: the most there is to read.
    function test_DrawWithWritePending() public {
        uint256 below = 0;
        for (uint256 i = 0; i < LEAF; ++i) {
            below += 1 + (i * 7) % 500;
        }
        (uint256 index, uint256 spent) = bench.draw(4, below);
        assertEq(index, LEAF);
        _report("draw, write pending", spent);
    }

    function test_UpdateFirst() public {
        _report("update, first", bench.set(LEAF, 300, 5, 6));
    }

    function test_UpdateAgain() public {
        _report("update, again", bench.set(LEAF, 300, 4, 5));
    }
}

contract Selected9Test is LayoutGas {
    function _layout() internal override returns (string memory, LayoutBench) {
        return ("selected, 9 bits a weight", _bench(0x120e09, 0x0a0f1c, 3, false));
    }
}

contract Selected12Test is LayoutGas {
    function _layout() internal override returns (string memory, LayoutBench) {
        return ("selected, 12 bits a weight", _bench(0x1814110c, 0x070b0c14, 4, false));
    }
}

contract Selected16Test is LayoutGas {
    function _layout() internal override returns (string memory, LayoutBench) {
        return ("selected, 16 bits a weight", _bench(0x1b181410, 0x07090b10, 4, false));
    }
}

contract Tagged9Test is LayoutGas {
    function _layout() internal override returns (string memory, LayoutBench) {
        return ("tagged, 9 bits a weight", _bench(0x120e09, 0x0c1018, 3, true));
    }
}

contract Tagged16Test is LayoutGas {
    function _layout() internal override returns (string memory, LayoutBench) {
        return ("tagged, 16 bits a weight", _bench(0x1b181410, 0x08090b0e, 4, true));
    }
}
